//! Tells the loader where DuckDB's library is: where the warehouse's build script put it, or beside an installed program.
//!
//! Fetches nothing; `crates/warehouse/build.rs` does.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_ELT_DUCKDB_FOLDER");
    let Ok(folder) = env::var("DEP_ELT_DUCKDB_FOLDER") else { return };
    let origin = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@loader_path",
        Ok("windows") => return,
        _ => "$ORIGIN",
    };
    for rpath in [folder.as_str(), origin] {
        for argument in ["-Xlinker", "-rpath", "-Xlinker", rpath] {
            println!("cargo:rustc-link-arg={argument}");
        }
    }
}
