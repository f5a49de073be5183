//! Random texts of CSV files, and how a line of them is written. Knows no type and no program.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub const KINDS: usize = 16;

/// A text of one kind. Texts of a kind often have a type in common, but not always.
pub fn text(kind: usize, random: &mut ChaCha8Rng) -> String {
    let mut number = |most: i64| random.random_range(0..=most);
    match kind {
        0 => (number(2_000) - 1_000).to_string(),
        1 => format!("{}{}", number(i64::MAX), number(i64::MAX)),
        2 => format!("{}.{:02}", number(99_999) - 50_000, number(99)),
        3 => format!("{}.{}", number(999), number(99_999)),
        4 => format!("0.{}{}", "0".repeat(number(6) as usize), number(999)),
        5 => format!("{}.{}", number(i64::MAX), number(i64::MAX)),
        6 => format!("{:03}", number(99)),
        7 => format!("{}e{}", number(9), number(9)),
        8 => ["true", "false"][number(1) as usize].to_owned(),
        9 => format!("{:04}-{:02}-{:02}", 1_900 + number(199), 1 + number(11), 1 + number(30)),
        10 => format!("{:02}:{:02}:{:02}", number(24), number(59), number(60)),
        11 => {
            let day = format!("2024-{:02}-{:02}", 1 + number(11), 1 + number(27));
            format!("{day} {:02}:{:02}:{:02}.{}", number(23), number(59), number(59), number(999_999))
        }
        12 => format!("2024-01-{:02} {:02}:00:00", 1 + number(30), number(23)),
        13 => {
            const ODD: [&str; 20] = [
                "", " ", "NULL", "\\N", "NaN", "-0", "-0.0", "+1", "1.", ".5", "1,5", "Infinity", "t", "0x1F", "\"",
                "a\nb", "a\r\nb", ",;|\t", "'x'", "é😀",
            ];
            ODD[number(ODD.len() as i64 - 1) as usize].to_owned()
        }
        14 => format!("{}.0", number(999_999)),
        _ => format!("{}{}", "9".repeat(number(40) as usize), number(9)),
    }
}

/// A line of a CSV file. A text that could be taken for something else is in quotes; None is an empty field.
pub fn line(cells: &[Option<String>]) -> String {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':'))
    };
    let fields = cells.iter().map(|cell| match cell {
        None => String::new(),
        Some(text) if is_plain(text) => text.clone(),
        Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
    });
    fields.collect::<Vec<_>>().join(",")
}
