//! The stack as a picture: who imports variables from whom, as boxes in columns and lines between them. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Width and height of a box.
pub const BOX: (i32, i32) = (190, 64);
const GAP: (i32, i32) = (110, 26);
/// Around everything, so that the outline of a focused box is not cut.
const MARGIN: i32 = 8;

/// A line: `to` gets variables from `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub to: String,
    pub from: String,
    /// The variables' names.
    pub keys: Vec<String>,
}

/// Where everything is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub width: i32,
    pub height: i32,
    /// The upper left corner of each part's box.
    pub boxes: BTreeMap<String, (i32, i32)>,
    /// The line of each import, as the path of an SVG, and the place of its words.
    pub lines: Vec<Line>,
}

/// A drawn import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub import: Import,
    pub path: String,
    pub middle: (i32, i32),
}

/// Who imports stands left of whom it imports from; parts without imports stand where their first importer lets them.
pub fn layout(parts: &[String], imports: &[Import]) -> Layout {
    let depths = depths(parts, imports);
    let deepest = depths.values().copied().max().unwrap_or_default();
    let mut rows = vec![0; deepest + 1];
    let mut boxes = BTreeMap::new();
    for part in parts {
        let column = depths.get(part).copied().unwrap_or_default();
        let (x, y) = (column as i32 * (BOX.0 + GAP.0), rows[column] * (BOX.1 + GAP.1));
        rows[column] += 1;
        boxes.insert(part.clone(), (MARGIN + x, MARGIN + y));
    }
    let tallest = rows.iter().copied().max().unwrap_or_default().max(1);
    let lines = imports.iter().filter_map(|import| line(&boxes, import)).collect();
    Layout {
        width: 2 * MARGIN + (deepest as i32 + 1) * (BOX.0 + GAP.0) - GAP.0,
        height: 2 * MARGIN + tallest * (BOX.1 + GAP.1) - GAP.1,
        boxes,
        lines,
    }
}

/// The column of each part: one more than that of its deepest importer. Parts that import from each other share what a circle leaves.
fn depths(parts: &[String], imports: &[Import]) -> BTreeMap<String, usize> {
    let mut depths: BTreeMap<String, usize> = parts.iter().map(|part| (part.clone(), 0)).collect();
    // A line without circles is at most as long as there are parts.
    for _ in 0..parts.len() {
        let mut changed = false;
        for import in imports.iter().filter(|import| !is_circle(imports, import)) {
            let Some(importer) = depths.get(&import.to).copied() else { continue };
            if let Some(depth) = depths.get_mut(&import.from).filter(|depth| **depth <= importer) {
                *depth = importer + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depths
}

/// True where the importer can be reached from the part that it imports from.
fn is_circle(imports: &[Import], import: &Import) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![import.from.as_str()]);
    while let Some(part) = open.pop() {
        if part == import.to {
            return true;
        }
        if seen.insert(part) {
            open.extend(imports.iter().filter(|other| other.to == part).map(|other| other.from.as_str()));
        }
    }
    false
}

fn line(boxes: &BTreeMap<String, (i32, i32)>, import: &Import) -> Option<Line> {
    let (to, from) = (*boxes.get(&import.to)?, *boxes.get(&import.from)?);
    let half = BOX.1 / 2;
    let (start, end, bend) = if to.0 == from.0 {
        // In one column: a bow at the right side.
        ((to.0 + BOX.0, to.1 + half), (from.0 + BOX.0, from.1 + half), GAP.0 / 2)
    } else if to.0 < from.0 {
        ((to.0 + BOX.0, to.1 + half), (from.0, from.1 + half), 0)
    } else {
        ((to.0, to.1 + half), (from.0 + BOX.0, from.1 + half), 0)
    };
    let middle = ((start.0 + end.0) / 2 + bend, (start.1 + end.1) / 2);
    let path = format!("M{} {} C{} {} {} {} {} {}", start.0, start.1, middle.0, start.1, middle.0, end.1, end.0, end.1);
    Some(Line { import: import.clone(), path, middle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(to: &str, from: &str) -> Import {
        Import { to: to.into(), from: from.into(), keys: vec!["KEY".into()] }
    }

    fn columns(parts: &[&str], imports: &[Import]) -> Vec<i32> {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let made = layout(&parts, imports);
        parts.iter().map(|part| (made.boxes[part].0 - MARGIN) / (BOX.0 + GAP.0)).collect()
    }

    #[test]
    fn importers_stand_left_of_what_they_import() {
        let chain = [import("web", "api"), import("api", "db"), import("web", "db")];
        assert_eq!(columns(&["web", "api", "db"], &chain), [0, 1, 2]);
        assert_eq!(columns(&["db", "api", "web"], &chain), [2, 1, 0]);
        assert_eq!(columns(&["a", "b"], &[]), [0, 0]);
    }

    #[test]
    fn circles_and_strangers_are_drawn_without_end() {
        assert_eq!(columns(&["a", "b"], &[import("a", "b"), import("b", "a")]), [0, 0]);
        assert_eq!(columns(&["a"], &[import("a", "a"), import("a", "nobody")]), [0]);
        let both = layout(&["a".into(), "b".into()], &[import("a", "b"), import("b", "a"), import("a", "nobody")]);
        assert_eq!(both.lines.len(), 2);
    }

    #[test]
    fn boxes_never_overlap_and_all_are_inside() {
        let parts: Vec<String> = ["web", "api", "db", "cache", "queue"].map(str::to_owned).to_vec();
        let imports = [import("web", "api"), import("api", "db"), import("api", "cache"), import("api", "queue")];
        let made = layout(&parts, &imports);
        let all: Vec<_> = made.boxes.values().collect();
        for (index, one) in all.iter().enumerate() {
            assert!(one.0 + BOX.0 <= made.width && one.1 + BOX.1 <= made.height);
            for other in &all[index + 1..] {
                assert!((one.0 - other.0).abs() >= BOX.0 || (one.1 - other.1).abs() >= BOX.1);
            }
        }
    }
}
