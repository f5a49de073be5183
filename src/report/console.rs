//! stderr: progress bars on a terminal, plain lines in a pipe, one JSON object a line on demand.
//!
//! Knows how to show lines; not what they mean for the run.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{Line, Stage, Status};
use elt_base::diagnostic;
use elt_base::error::Error;
use elt_base::numbers::{counted, thousands};

/// What a name and its amount take together, in columns: a long name takes from the room before a short amount.
const NAME_AND_AMOUNT: usize = 48;
/// The same on a terminal of fewer columns than `NARROW`, so that the note has some left.
const NAME_AND_AMOUNT_NARROW: usize = 44;
const NARROW: usize = 100;
/// Terminals that say they are narrower are not believed.
const WIDTH_MIN: usize = 40;

/// How stderr is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: bars where stderr is a terminal, plain lines elsewhere.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The one writer to stderr. Shared by all threads of a run.
pub struct Console {
    format: LogFormat,
    color: bool,
    quiet: bool,
    bars: Option<MultiProgress>,
    /// The terminal's, in columns; None in a pipe, where nothing is cut or wrapped.
    width: Option<usize>,
    out: Mutex<std::io::Stderr>,
}

/// Work that goes on; a bar on a terminal.
pub struct Activity {
    bar: Option<ProgressBar>,
    started: Instant,
    done: AtomicU64,
}

impl Activity {
    /// So many more documents or rows are done.
    pub fn advance(&self, amount: u64) {
        let done = self.done.fetch_add(amount, Ordering::Relaxed) + amount;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// So many are to be done again.
    pub fn retreat(&self, amount: u64) {
        let done = self.done.fetch_sub(amount, Ordering::Relaxed) - amount;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Console {
    pub fn new(format: LogFormat, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = terminal && format == LogFormat::Text && std::env::var_os("NO_COLOR").is_none();
        let bars = (terminal && format == LogFormat::Text && !quiet)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let width = comfy_table::Table::new().use_stderr().width().map(usize::from).filter(|width| *width >= WIDTH_MIN);
        Self { format, color, quiet, bars, width, out: Mutex::new(std::io::stderr()) }
    }

    /// Announces work; the value is kept while it goes on. `total` is how many `unit` there will be, if known.
    pub fn begin(&self, stage: Stage, name: &str, unit: &str, total: Option<u64>) -> Activity {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(match total.filter(|total| *total > 0) {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::no_length(),
            });
            let unit = unit.to_owned();
            // Until something is counted, and where nothing is, the time shows that it goes on.
            let so_far = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = match (state.pos(), state.len()) {
                    (0, _) => write!(out, "{:>7.1}s", state.elapsed().as_secs_f64()),
                    (done, None) => write!(out, "{}  {}/s", counted(done, &unit), thousands(state.per_sec() as u64)),
                    (done, Some(all)) => write!(
                        out,
                        "{} of {} {unit}  {}/s",
                        thousands(done),
                        thousands(all.max(done)),
                        thousands(state.per_sec() as u64)
                    ),
                };
            };
            let bar_shown = if bar.length().is_some() { " {bar:16}" } else { "" };
            let template = format!("{{spinner}} {{prefix:8}} {{msg:34}}{bar_shown} {{so_far}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.with_key("so_far", so_far));
            }
            bar.set_prefix(stage.name());
            bar.set_message(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Activity { bar, started: Instant::now(), done: AtomicU64::new(0) }
    }

    /// Shows a finished piece of work.
    pub fn line(&self, line: &Line) {
        if self.format == LogFormat::Json {
            let mut object = Map::new();
            object.insert("event".into(), line.stage.name().into());
            object.insert("name".into(), line.name.clone().into());
            object.insert("status".into(), line.status.name().into());
            if let Some((amount, unit)) = line.amount {
                object.insert(unit.into(), amount.into());
            }
            object.insert("seconds".into(), json!((line.seconds * 1e6).round() / 1e6));
            if !line.note.is_empty() {
                object.insert("note".into(), line.note.clone().into());
            }
            return self.json(if line.status.is_failure() { "error" } else { "info" }, object);
        }
        if self.quiet && !line.status.is_failure() {
            return;
        }
        self.text(&self.text_line(line));
    }

    fn text_line(&self, line: &Line) -> String {
        let status = match line.status {
            Status::Success | Status::Pass => String::new(),
            status => status.name().to_uppercase(),
        };
        let amount = match line.amount {
            // `0 failures` of a test that passed says nothing more.
            Some((0, _)) if line.stage == Stage::Test => String::new(),
            Some((amount, unit)) => counted(amount, unit),
            None => String::new(),
        };
        let rate = match line.amount {
            Some((amount, _)) if line.seconds > 0.0 && line.stage == Stage::Extract && amount > 0 => {
                format!("{}/s", thousands((amount as f64 / line.seconds) as u64))
            }
            _ => String::new(),
        };
        let room =
            if self.width.is_some_and(|width| width < NARROW) { NAME_AND_AMOUNT_NARROW } else { NAME_AND_AMOUNT };
        let text = |parts: &[&str]| {
            let note: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
            let columns = name_and_amount(&line.name, &amount, room);
            let text = format!("  {:<8} {columns} {:>7.2}s  {}", line.stage, line.seconds, note.join(", "));
            text.trim_end().to_owned()
        };
        let mut shown = text(&[&status, &rate, &line.note]);
        if let Some(width) = self.width.filter(|width| !line.status.is_failure() && shown.chars().count() > *width) {
            shown = cut(&text(&[&status, &line.note]), width);
        }
        let color = match line.status {
            Status::Fail | Status::PartialSuccess | Status::Error => "31",
            Status::Warn => "33",
            Status::Skipped => "2",
            Status::Success | Status::Pass => "",
        };
        if self.color && !color.is_empty() { format!("\u{1b}[{color}m{shown}\u{1b}[0m") } else { shown }
    }

    /// A sentence for people; in JSON an object with `message`.
    pub fn say(&self, text: &str) {
        if self.format == LogFormat::Json {
            let mut object = Map::new();
            object.insert("event".into(), "message".into());
            object.insert("message".into(), text.into());
            return self.json("info", object);
        }
        if !self.quiet {
            self.sentence(text);
        }
    }

    pub fn error(&self, error: &Error) {
        self.diagnostic(error, "error", diagnostic::render);
    }

    pub fn warning(&self, error: &Error) {
        self.diagnostic(error, "warning", diagnostic::render_warning);
    }

    fn diagnostic(&self, error: &Error, level: &str, render: fn(&Error, bool) -> String) {
        if self.format == LogFormat::Text {
            return self.text(render(error, self.color).trim_end_matches('\n'));
        }
        for error in error.iter() {
            let mut object = Map::new();
            object.insert("event".into(), "diagnostic".into());
            object.insert("message".into(), error.message().into());
            if let Some(place) = error.places().first() {
                let before = &place.source.text[..place.span.start.min(place.source.text.len())];
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                object.insert("file".into(), place.source.path.to_string_lossy().into());
                object.insert("line".into(), (before.matches('\n').count() + 1).into());
                object.insert("column".into(), (before[line_start..].chars().count() + 1).into());
            }
            if let Some(picture) = error.shown_picture() {
                object.insert("picture".into(), picture.into());
            }
            for (name, texts) in [("caused_by", error.causes()), ("hints", error.hints())] {
                if !texts.is_empty() {
                    object.insert(name.into(), texts.into());
                }
            }
            self.json(level, object);
        }
    }

    /// Ends the part of the run that a summary closes.
    pub fn summary(&self, text: &str, object: Map<String, Value>) {
        if self.format == LogFormat::Json {
            let mut all = Map::new();
            all.insert("event".into(), "summary".into());
            all.extend(object);
            return self.json("info", all);
        }
        self.sentence(text);
    }

    fn sentence(&self, text: &str) {
        match self.width {
            Some(width) => self.text(&wrap(text, width)),
            None => self.text(text),
        }
    }

    fn json(&self, level: &str, object: Map<String, Value>) {
        let mut all = Map::new();
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        all.insert("time".into(), now.into());
        all.insert("level".into(), level.into());
        all.extend(object);
        self.text(&Value::Object(all).to_string());
    }

    fn text(&self, text: &str) {
        let write = || {
            let mut out = self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // A closed stderr is no reason to stop a run.
            let _ = writeln!(out, "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// The name on the left, the amount on the right, and two columns between them at least; `room` columns if they fit.
fn name_and_amount(name: &str, amount: &str, room: usize) -> String {
    let gap = if amount.is_empty() { 0 } else { 2 };
    let room = room.saturating_sub(name.chars().count()).max(amount.chars().count() + gap);
    format!("{name}{amount:>room$}")
}

/// `text` in one line of a terminal; what is cut off stands in the artifacts.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(width - 1).collect();
    shown.truncate(shown.trim_end().len());
    shown.push('…');
    shown
}

/// `text` in lines of a terminal, broken between words; the lines after the first stand further right.
fn wrap(text: &str, width: usize) -> String {
    const INDENT: &str = "  ";
    let mut shown = String::new();
    let mut column = 0;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if column > INDENT.len() && column + 1 + length > width {
            shown.push('\n');
            shown.push_str(INDENT);
            column = INDENT.len();
        } else if index > 0 {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(word);
        column += length;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{cut, name_and_amount, wrap};

    #[track_caller]
    fn check(shown: String, expected: &str) {
        assert_eq!(shown, expected);
    }

    #[test]
    fn columns_hold_long_names() {
        check(name_and_amount("loans", "744 rows", 48), &format!("loans{:>43}", "744 rows"));
        check(name_and_amount(&"x".repeat(38), "744 rows", 48), &format!("{}  744 rows", "x".repeat(38)));
        check(name_and_amount(&"x".repeat(60), "744 rows", 48), &format!("{}  744 rows", "x".repeat(60)));
        check(name_and_amount(&"x".repeat(48), "", 48), &"x".repeat(48));
    }

    #[test]
    fn lines_fit_a_terminal() {
        check(cut("  model  a  view, 3 tests", 80), "  model  a  view, 3 tests");
        check(cut("  model  a  view, 3 tests", 19), "  model  a  view,…");
        check(wrap("done in 1 s: 8 collections, 25 models", 20), "done in 1 s: 8\n  collections, 25\n  models");
        check(wrap("done", 40), "done");
        check(wrap("  note: the target stands elsewhere", 20), "  note: the target\n  stands elsewhere");
    }
}
