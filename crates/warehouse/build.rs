//! Tells the linker and the loader where DuckDB's library is. Downloads the official prebuilt library if necessary.
//!
//! `DUCKDB_LIB_DIR` names a folder that contains the library. Without it, the library is downloaded once for each cargo
//! target folder, from DuckDB's release or else from the npm package that contains the same file. With the feature
//! `bundled`, the crate `libduckdb-sys` compiles DuckDB itself, and this script does nothing.
//!
//! Knows nothing of the tool's own code.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, SystemTime};

type Result<T> = std::result::Result<T, String>;

/// The DuckDB version of the `duckdb` crate in Cargo.toml, which writes 1.5.6 as 1.10506.
const VERSION: &str = "1.5.6";
/// The revision of the npm package for that version.
const NPM_REVISION: &str = "r.1";
const CONNECT_SECONDS_MAX: u64 = 5;
const DOWNLOAD_SECONDS_MAX: u64 = 900;
/// The least size of a library, which has about 70 MB. A web page that asks to sign in is smaller.
const LIBRARY_BYTES_MIN: u64 = 20_000_000;
const LIBRARY_BYTES_MAX: u64 = 400_000_000;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    if let Err(message) = Platform::of_target().and_then(|platform| link(&platform)) {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn link(platform: &Platform) -> Result<()> {
    let folder = match env::var_os("DUCKDB_LIB_DIR") {
        Some(folder) => given_folder(PathBuf::from(folder), platform)?,
        None => fetched_folder(platform)?,
    };
    println!("cargo:rustc-link-search=native={}", folder.display());
    // For the build script of the program, which sets the same search path.
    println!("cargo:folder={}", folder.display());
    println!("cargo:rerun-if-changed={}", folder.join(platform.library).display());
    match platform.origin {
        Some(origin) => {
            // The library may also be beside an installed binary.
            for rpath in [folder.display().to_string(), origin.to_owned()] {
                for argument in ["-Xlinker", "-rpath", "-Xlinker", &rpath] {
                    println!("cargo:rustc-link-arg={argument}");
                }
            }
        }
        None => lay_beside_binaries(&folder, platform)?,
    }
    Ok(())
}

fn given_folder(folder: PathBuf, platform: &Platform) -> Result<PathBuf> {
    let folder = fs::canonicalize(&folder)
        .map_err(|error| format!("`DUCKDB_LIB_DIR` is `{}`, which cannot be read: {error}", folder.display()))?;
    if !folder.join(platform.library).is_file() && !folder.join("libduckdb_static.a").is_file() {
        return Err(format!(
            "`DUCKDB_LIB_DIR` is `{}`, which does not contain `{}`",
            folder.display(),
            platform.library
        ));
    }
    Ok(folder)
}

/// The folder `<target>/duckdb/<version>/<triple>`, which contains the library.
fn fetched_folder(platform: &Platform) -> Result<PathBuf> {
    let folder = target_folder()?.join("duckdb").join(VERSION).join(variable("TARGET")?);
    if platform.files().all(|name| folder.join(name).is_file()) {
        return Ok(folder);
    }
    // Each cargo process uses its own folder and renames complete files, so two at once do no harm.
    let scratch = folder.join(format!("fetch-{}", process::id()));
    fs::create_dir_all(&scratch).map_err(|error| format!("cannot create `{}`: {error}", scratch.display()))?;
    let found = fetch(&scratch, platform).and_then(|()| {
        platform.files().try_for_each(|name| {
            age(&scratch.join(name))
                .and_then(|()| fs::rename(scratch.join(name), folder.join(name)))
                .map_err(|error| format!("cannot put `{name}` into `{}`: {error}", folder.display()))
        })
    });
    let _ = fs::remove_dir_all(&scratch);
    found.map(|()| folder)
}

/// Sets a file's time to before this run, because cargo reads a newer file as a change.
fn age(path: &Path) -> io::Result<()> {
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    File::options().write(true).open(path)?.set_modified(yesterday)
}

/// Downloads the platform's files into `scratch`, from the first place that has them.
fn fetch(scratch: &Path, platform: &Platform) -> Result<()> {
    let release = format!(
        "https://github.com/duckdb/duckdb/releases/download/v{VERSION}/libduckdb-{}.zip",
        platform.release_name
    );
    let mut tried = Vec::new();
    match from_release(&release, scratch, platform).and_then(|()| verify(scratch, platform)) {
        Ok(()) => return Ok(()),
        Err(error) => tried.push(format!("{release}: {error}")),
    }
    if let Some(name) = platform.npm_name {
        let package = format!("@duckdb/node-bindings-{name}@{VERSION}-{NPM_REVISION}");
        match from_npm(&package, scratch, platform).and_then(|()| verify(scratch, platform)) {
            Ok(()) => return Ok(()),
            Err(error) => tried.push(format!("npm package {package}: {error}")),
        }
    }
    Err(format!(
        "cannot download DuckDB {VERSION}'s prebuilt library `{}`\n  tried {}\n  \
         hint: set `DUCKDB_LIB_DIR` to a folder that contains the library; `cargo build --features bundled` compiles \
         DuckDB from source (almost an hour on two cores)",
        platform.library,
        tried.join("\n  tried ")
    ))
}

fn from_release(url: &str, scratch: &Path, platform: &Platform) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
        .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_global(Some(Duration::from_secs(DOWNLOAD_SECONDS_MAX)))
        .build()
        .into();
    let path = scratch.join("release.zip");
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path).map_err(text)?;
    let mut body = response.body_mut().as_reader().take(LIBRARY_BYTES_MAX);
    io::copy(&mut body, &mut file).map_err(text)?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| error.to_string())?;
    for name in platform.files() {
        let entry = archive.by_name(name).map_err(|error| format!("`{name}` in the archive: {error}"))?;
        write(entry, &scratch.join(name))?;
    }
    Ok(())
}

fn from_npm(package: &str, scratch: &Path, platform: &Platform) -> Result<()> {
    let output = Command::new("npm")
        .args(["pack", package, "--loglevel=error", "--ignore-scripts"])
        .args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=120000"])
        .current_dir(scratch)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `npm`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`npm pack` failed: {}", said.trim().replace('\n', " ")));
    }
    let packed = fs::read_dir(scratch)
        .map_err(text)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or("`npm pack` left no archive")?;
    let wanted = Path::new("package").join(platform.library);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(packed).map_err(text)?));
    for entry in archive.entries().map_err(text)? {
        let entry = entry.map_err(text)?;
        if entry.path().is_ok_and(|path| path == wanted) {
            return write(entry, &scratch.join(platform.library));
        }
    }
    Err(format!("`{}` is not in the package", wanted.display()))
}

fn write(from: impl Read, to: &Path) -> Result<()> {
    let mut file = File::create(to).map_err(text)?;
    io::copy(&mut from.take(LIBRARY_BYTES_MAX), &mut file).map_err(text)?;
    file.sync_all().map_err(text)
}

/// TLS and the archives' checksums protect the download. This check finds a wrong file that was downloaded completely.
fn verify(folder: &Path, platform: &Platform) -> Result<()> {
    let bytes = fs::read(folder.join(platform.library)).map_err(text)?;
    if (bytes.len() as u64) < LIBRARY_BYTES_MIN {
        return Err(format!("`{}` has only {} bytes", platform.library, bytes.len()));
    }
    if !platform.headers.iter().any(|(offset, magic)| bytes[*offset..].starts_with(magic)) {
        return Err(format!("`{}` is not a library for {}", platform.library, variable("TARGET")?));
    }
    let version = format!("\0v{VERSION}\0");
    if !bytes.windows(version.len()).any(|window| window[0] == 0 && window == version.as_bytes()) {
        return Err(format!("`{}` is not DuckDB {VERSION}", platform.library));
    }
    Ok(())
}

/// Windows looks for a library beside the program: in `<profile>` for the program, in `<profile>/deps` for tests.
fn lay_beside_binaries(folder: &Path, platform: &Platform) -> Result<()> {
    let profile = profile_folder()?;
    for place in [profile.join("deps"), profile] {
        let to = place.join(platform.library);
        if !to.is_file() {
            fs::copy(folder.join(platform.library), &to)
                .map_err(|error| format!("cannot copy DuckDB's library to `{}`: {error}", to.display()))?;
        }
    }
    Ok(())
}

/// The folder above `build/` in `<target>[/<triple>]/<profile>/build/…/out`.
fn profile_folder() -> Result<PathBuf> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let build = out.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    let profile = build.and_then(Path::parent);
    profile.map(Path::to_path_buf).ok_or_else(|| format!("no cargo target folder above `{}`", out.display()))
}

fn target_folder() -> Result<PathBuf> {
    let profile = profile_folder()?;
    let triple = variable("TARGET")?;
    let above = profile.parent().unwrap_or(&profile);
    let of_triple = above.file_name().is_some_and(|name| name == triple.as_str());
    Ok(above.parent().filter(|_| of_triple).unwrap_or(above).to_path_buf())
}

struct Platform {
    /// The library's file name.
    library: &'static str,
    /// Another file that the linker needs.
    import_library: Option<&'static str>,
    /// The name in the release's zip files.
    release_name: &'static str,
    /// The name in npm's packages.
    npm_name: Option<&'static str>,
    /// Offsets and bytes. A library has at least one of these bytes at its offset.
    headers: &'static [(usize, &'static [u8])],
    /// The loader's name for the folder of the program.
    origin: Option<&'static str>,
}

impl Platform {
    fn of_target() -> Result<Self> {
        const MACOS: &[(usize, &[u8])] = &[(0, b"\xca\xfe\xba\xbe"), (0, b"\xcf\xfa\xed\xfe")];
        let platform = |library, release_name, npm_name, headers, origin| Self {
            library,
            import_library: None,
            release_name,
            npm_name,
            headers,
            origin,
        };
        let linux = |release_name, npm_name, headers| {
            platform("libduckdb.so", release_name, Some(npm_name), headers, Some("$ORIGIN"))
        };
        let macos =
            |npm_name| platform("libduckdb.dylib", "osx-universal", Some(npm_name), MACOS, Some("@loader_path"));
        let windows = |release_name| Self {
            import_library: Some("duckdb.lib"),
            ..platform("duckdb.dll", release_name, None, &[(0, b"MZ")], None)
        };
        let (os, arch) = (variable("CARGO_CFG_TARGET_OS")?, variable("CARGO_CFG_TARGET_ARCH")?);
        let libc = env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
        // An ELF file's machine is at byte 18: 62 is x86-64, 183 is AArch64.
        match (os.as_str(), arch.as_str(), libc.as_str()) {
            ("linux", "x86_64", "gnu") => Ok(linux("linux-amd64", "linux-x64", &[(18, &[62, 0])])),
            ("linux", "aarch64", "gnu") => Ok(linux("linux-arm64", "linux-arm64", &[(18, &[183, 0])])),
            ("macos", "x86_64", _) => Ok(macos("darwin-x64")),
            ("macos", "aarch64", _) => Ok(macos("darwin-arm64")),
            ("windows", "x86_64", "msvc") => Ok(windows("windows-amd64")),
            ("windows", "aarch64", "msvc") => Ok(windows("windows-arm64")),
            _ if env::var_os("DUCKDB_LIB_DIR").is_some() => {
                Ok(platform("libduckdb.so", "", None, &[], Some("$ORIGIN")))
            }
            _ => Err(format!(
                "DuckDB has no prebuilt library for {}\n  hint: `DUCKDB_LIB_DIR=<folder>` names a folder that has one; \
                 `cargo build --features bundled` compiles DuckDB from source",
                variable("TARGET")?
            )),
        }
    }

    fn files(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.library), self.import_library].into_iter().flatten()
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("`{name}`: {error}"))
}

fn text(error: io::Error) -> String {
    error.to_string()
}
