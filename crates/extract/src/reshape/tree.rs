//! Dotted paths, compiled to a tree that is walked together with a document.
//!
//! No path of a tree is above another: a node with a mark has no children. Knows nothing of BSON.

/// A step of a path, or the document itself.
#[derive(Debug, Clone)]
pub struct PathTree<T> {
    /// The mark, if a path ends here.
    mark: Option<T>,
    /// Sorted by key, ascending.
    children: Vec<(Box<[u8]>, PathTree<T>)>,
    /// The keys of `children` in lowercase.
    lower: Vec<String>,
}

/// Up to so many children are searched one by one. More children are searched by binary search.
const SCANNED_MAX: usize = 8;

impl<T: Copy> PathTree<T> {
    const EMPTY: Self = Self { mark: None, children: Vec::new(), lower: Vec::new() };

    /// The error is a message that names the path.
    pub fn new<'p>(paths: impl IntoIterator<Item = (&'p str, T)>) -> Result<Self, String> {
        let mut tree = Self::EMPTY;
        for (path, mark) in paths {
            if path.split('.').any(str::is_empty) {
                return Err(format!("path `{path}` has an empty part"));
            }
            if path.contains('\0') {
                return Err("a path contains a zero byte".to_owned());
            }
            let mut node = &mut tree;
            let mut end = 0;
            for step in path.split('.') {
                end += step.len() + usize::from(end > 0);
                node = node.at(step.as_bytes());
                if node.mark.is_some() {
                    let above = path.get(..end).unwrap_or(path);
                    return Err(collision(above, path));
                }
            }
            if let Some(below) = node.first_path() {
                return Err(collision(path, &format!("{path}.{below}")));
            }
            node.mark = Some(mark);
        }
        Ok(tree)
    }

    /// Adds a path of one step, if it does not exist yet.
    pub fn mark(&mut self, key: &[u8], mark: T) {
        self.at(key).mark = Some(mark);
    }

    pub fn child(&self, key: &[u8]) -> Option<&Self> {
        if self.children.len() <= SCANNED_MAX {
            return self.children.iter().find(|(name, _)| **name == *key).map(|(_, child)| child);
        }
        let place = self.children.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.children.get(place).map(|(_, child)| child)
    }

    /// The same for a tree of what must not be seen: a key that differs only in case is meant too, and so is a key that
    /// contains the dots of a path.
    pub fn hidden_child(&self, key: &[u8]) -> Option<&Self> {
        self.child(key).or_else(|| self.similar_child(key)).or_else(|| self.dotted_child(key))
    }

    fn similar_child(&self, key: &[u8]) -> Option<&Self> {
        let is_similar: &dyn Fn(&str) -> bool = if key.is_ascii() {
            &|lower| lower.as_bytes().eq_ignore_ascii_case(key)
        } else {
            let key = String::from_utf8_lossy(key).to_lowercase();
            &move |lower| lower == key
        };
        let place = self.lower.iter().position(|lower| is_similar(lower))?;
        self.children.get(place).map(|(_, child)| child)
    }

    fn dotted_child(&self, key: &[u8]) -> Option<&Self> {
        if !key.contains(&b'.') {
            return None;
        }
        let mut node = self;
        for step in key.split(|byte| *byte == b'.') {
            node = node.child(step).or_else(|| node.similar_child(step))?;
            if node.is_end() {
                break;
            }
        }
        Some(node)
    }

    /// Whether a path that ends here or below has a mark for which `is` is true.
    pub fn any(&self, is: &impl Fn(T) -> bool) -> bool {
        self.mark.is_some_and(is) || self.children.iter().any(|(_, child)| child.any(is))
    }

    pub fn end(&self) -> Option<T> {
        self.mark
    }

    pub fn is_end(&self) -> bool {
        self.mark.is_some()
    }

    /// The child of a key. It is created if it does not exist.
    fn at(&mut self, key: &[u8]) -> &mut Self {
        let place = match self.children.binary_search_by(|(name, _)| (**name).cmp(key)) {
            Ok(place) => place,
            Err(place) => {
                self.children.insert(place, (key.into(), Self::EMPTY));
                self.lower.insert(place, String::from_utf8_lossy(key).to_lowercase());
                place
            }
        };
        &mut self.children[place].1
    }

    /// The first path below this node.
    fn first_path(&self) -> Option<String> {
        let (key, child) = self.children.first()?;
        let key = String::from_utf8_lossy(key);
        Some(child.first_path().map_or_else(|| key.to_string(), |rest| format!("{key}.{rest}")))
    }
}

fn collision(above: &str, path: &str) -> String {
    if above == path {
        format!("path `{path}` is listed twice")
    } else {
        format!("path `{path}` is listed, but it is below path `{above}`, which is listed too")
    }
}
