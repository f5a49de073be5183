//! Rewrites expressions in a tag to calls if the engine has no operator or value for them.
//!
//! `"%s" % x` fills a text, `date + span` calculates, `[…]` and `{…}` are values that can change. Finds the operands by
//! Jinja's precedences. Does not change an expression that it does not understand, so that the engine reports the
//! error.

use super::calls::{ADD, CONCAT, LIST, MAP, MODULO, MULTIPLY, SUBTRACT};

/// The expressions to rewrite in addition to `%`, `~`, `*` and `+`, which are always rewritten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// Literals become lists and maps that can be changed.
    pub literals: bool,
    /// The operands of `-` may be dates.
    pub dates: bool,
}

/// A change to a tag's text: `text` replaces `replaces` bytes at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    pub at: usize,
    pub replaces: usize,
    pub text: &'static str,
}

/// The changes to the inside of a tag, in order.
pub(super) fn edits(inner: &str, rewrite: Rewrite) -> Vec<Edit> {
    let has = |characters: &[char]| inner.contains(characters);
    let is_worth = has(&['%', '~', '*', '+']) || rewrite.literals && has(&['[', '{']) || rewrite.dates && has(&['-']);
    if !is_worth {
        return Vec::new();
    }
    let mut reader = TokenReader { tokens: tokens(inner), at: 0, rewrite, edits: Vec::new(), depth: 0 };
    while reader.at < reader.tokens.len() {
        let before = reader.at;
        reader.expression(0);
        if reader.at == before {
            reader.at += 1;
        }
    }
    let mut edits = reader.edits;
    // At the same position, text that opens is inserted before text that closes, and the outermost opening text is
    // first.
    edits.sort_by_key(|(order, edit)| (edit.at, *order));
    edits.into_iter().map(|(_, edit)| edit).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    /// A name or number.
    Word,
    Text,
    Operator,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: TokenKind,
    text: &'a str,
    start: usize,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

fn tokens(inner: &str) -> Vec<Token<'_>> {
    let bytes = inner.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = inner[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = match c {
            '\'' | '"' => {
                let mut end = at + 1;
                while bytes.get(end).is_some_and(|byte| *byte != c as u8) {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                (TokenKind::Text, (end + 1).min(inner.len()) - at)
            }
            c if c.is_alphanumeric() || c == '_' => {
                let is_number = c.is_ascii_digit();
                let word = |c: char| c.is_alphanumeric() || c == '_' || is_number && c == '.';
                (TokenKind::Word, inner[at..].find(|c| !word(c)).unwrap_or(inner.len() - at))
            }
            c => {
                let two = inner.get(at..at + 2).unwrap_or_default();
                let is_double = ["**", "//", "==", "!=", "<=", ">="].contains(&two);
                (TokenKind::Operator, if is_double { 2 } else { c.len_utf8() })
            }
        };
        // A text that ends inside of a character is not closed.
        let text = inner.get(at..at + length).unwrap_or(&inner[at..]);
        found.push(Token { kind, text, start: at });
        at += text.len();
    }
    found
}

struct TokenReader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    rewrite: Rewrite,
    /// Each edit, with the key that sorts edits at the same position.
    edits: Vec<(i64, Edit)>,
    depth: usize,
}

/// Expressions that are nested more deeply are not rewritten.
const DEPTH_MAX: usize = 60;

impl<'a> TokenReader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.kind != TokenKind::Text && token.text == text)
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, Token::end)
    }

    /// The precedence of the next operator, and its number of tokens. None if no operator follows.
    fn operator(&self) -> Option<(u8, usize)> {
        let token = self.peek().filter(|token| token.kind != TokenKind::Text)?;
        let next_is = |text: &str| self.tokens.get(self.at + 1).is_some_and(|token| token.text == text);
        match token.text {
            "if" | "else" => Some((1, 1)),
            "or" => Some((2, 1)),
            "and" => Some((3, 1)),
            "not" if next_is("in") => Some((5, 2)),
            "is" => Some((5, if next_is("not") { 2 } else { 1 })),
            "in" | "==" | "!=" | "<" | ">" | "<=" | ">=" => Some((5, 1)),
            "+" | "-" => Some((6, 1)),
            "~" => Some((7, 1)),
            "*" | "/" | "//" | "%" => Some((8, 1)),
            "**" => Some((10, 1)),
            _ => None,
        }
    }

    /// An expression of operators with a higher precedence than `least`.
    fn expression(&mut self, least: u8) {
        if self.depth >= DEPTH_MAX {
            return;
        }
        let Some(first) = self.peek() else { return };
        self.depth += 1;
        let begun = self.at;
        self.operand();
        while self.at > begun
            && let Some((strength, length)) = self.operator()
            && strength > least
        {
            let operator = self.tokens[self.at];
            self.at += length;
            let right = self.at;
            self.expression(strength);
            if self.at == right {
                break;
            }
            let function = match operator.text {
                "%" => MODULO,
                "~" => CONCAT,
                "*" => MULTIPLY,
                "+" => ADD,
                "-" if self.rewrite.dates => SUBTRACT,
                _ => continue,
            };
            let end = self.end_of_last();
            self.edit(first.start, 0, "(", true, end);
            self.edit(first.start, 0, function, true, end);
            self.edit(operator.start, operator.text.len(), ",", false, 0);
            self.edit(end, 0, ")", false, 0);
        }
        self.depth -= 1;
    }

    /// An operand with its attributes, calls and filters.
    fn operand(&mut self) {
        while self.is("-") || self.is("+") || self.is("not") {
            self.at += 1;
        }
        let Some(token) = self.peek() else { return };
        match (token.kind, token.text) {
            (TokenKind::Text, _) => {
                // Adjacent texts are one text.
                while self.peek().is_some_and(|token| token.kind == TokenKind::Text) {
                    self.at += 1;
                }
            }
            (TokenKind::Word, _) => self.at += 1,
            (_, open @ ("(" | "[" | "{")) => {
                self.bracket();
                if self.rewrite.literals && open != "(" {
                    let end = self.end_of_last();
                    self.edit(token.start, 0, "(", true, end);
                    self.edit(token.start, 0, if open == "[" { LIST } else { MAP }, true, end);
                    self.edit(end, 0, ")", false, 0);
                }
            }
            _ => return,
        }
        loop {
            match self.peek() {
                Some(token) if token.kind == TokenKind::Operator && matches!(token.text, "(" | "[") => self.bracket(),
                Some(token) if token.kind == TokenKind::Operator && matches!(token.text, "." | "|") => {
                    self.at += 1;
                    if self.peek().is_some_and(|token| token.kind == TokenKind::Word) {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// The brackets and their content, with any separators.
    fn bracket(&mut self) {
        self.at += 1;
        while let Some(token) = self.peek() {
            if token.kind == TokenKind::Operator && matches!(token.text, ")" | "]" | "}") {
                self.at += 1;
                return;
            }
            let before = self.at;
            self.expression(0);
            if self.at == before {
                self.at += 1;
            }
        }
    }

    /// `reach`: the position where the opened text closes. Text that closes later is opened first.
    fn edit(&mut self, at: usize, replaces: usize, text: &'static str, opens: bool, reach: usize) {
        let count = self.edits.len() as i64;
        // At the same position, closing text is first. Then opening text follows, the last found outermost.
        let order = if opens { i64::from(u32::MAX) - (reach as i64) * 1024 - count } else { i64::MIN + count };
        self.edits.push((order, Edit { at, replaces, text }));
    }
}

#[cfg(test)]
mod tests {
    use super::{Rewrite, edits};

    #[track_caller]
    fn check(inner: &str, rewrite: Rewrite, expected: &str) {
        let mut shown = String::new();
        let mut at = 0;
        for edit in edits(inner, rewrite) {
            shown.push_str(&inner[at..edit.at]);
            shown.push_str(edit.text);
            at = edit.at + edit.replaces;
        }
        shown.push_str(&inner[at..]);
        assert_eq!(shown, expected);
    }

    #[test]
    fn operators_become_calls() {
        let all = Rewrite { literals: true, dates: true };
        let none = Rewrite::default();
        check("a + b", none, "__add(a , b)");
        check("'%s' % x", none, "__modulo('%s' , x)");
        check("'%s' % (a, b) ~ c", none, "__concat(__modulo('%s' , (a, b)) , c)");
        check("a ~ '%s' % x | upper", none, "__concat(a , __modulo('%s' , x | upper))");
        check("loop.index % 2 == 0", none, "__modulo(loop.index , 2) == 0");
        check("a * b % c", none, "__modulo(__multiply(a , b) , c)");
        check("f(a % 2, b='%d' % 3)", none, "f(__modulo(a , 2), b=__modulo('%d' , 3))");
        check("a + b - c", all, "__subtract(__add(a , b) , c)");
        check("(a + b) % c", all, "__modulo((__add(a , b)) , c)");
        check("-a + b", all, "__add(-a , b)");
        check("if x - y > 3", all, "if __subtract(x , y) > 3");
        check("set x = [1, [2]]", all, "set x = __list([1, __list([2])])");
        check("set x = {'a': [1]}", all, "set x = __map({'a': __list([1])})");
        check("x[1] + y['a']", none, "__add(x[1] , y['a'])");
        check("x[1:-1]", all, "x[1:-1]");
        check("for a in [1] if a % 2", all, "for a in __list([1]) if __modulo(a , 2)");
        check("['%s' % a]", all, "__list([__modulo('%s' , a)])");
        check("'a - b'", all, "'a - b'");
        check("- x -", Rewrite::default(), "- x -");
    }
}
