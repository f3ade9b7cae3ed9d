//! Names that change with their content.

/// Whether the name carries a hash of the content, as bundlers write it: a folder that bundlers use, and a last part of
/// at least eight letters and digits, both of them.
pub fn is_hashed(path: &str) -> bool {
    const FOLDERS: [&str; 11] =
        ["assets", "static", "_next", "_astro", "_app", "build", "chunks", "immutable", "js", "css", "media"];
    let Some((folders, name)) = path.rsplit_once('/') else { return false };
    if !folders.split('/').any(|folder| FOLDERS.contains(&folder)) || name.ends_with(".html") {
        return false;
    }
    let mut parts = name.split('.').collect::<Vec<_>>();
    parts.pop();
    parts.iter().any(|part| {
        // base64url hashes may hold a hyphen of their own, so the last eight characters count whatever they are.
        let tail = part.rsplit('-').next().unwrap_or_default();
        let last_eight = part.len().checked_sub(8).filter(|at| part.is_char_boundary(*at)).map_or("", |at| &part[at..]);
        looks_random(tail) || (part.len() > 9 && part.as_bytes()[part.len() - 9] == b'-' && looks_random(last_eight))
    })
}

/// Whether the file's name itself says which content it has, so that no other file can ever be meant by it: eight characters or more
/// of a hash, a digit among them, between its start, a `.` or a `-` and an extension. Dates and versions are none.
pub fn names_content(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    if matches!(extension.to_ascii_lowercase().as_str(), "html" | "htm") {
        return false;
    }
    let is_hex = |text: &str| text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && is_mixed(text);
    let is_hash = |text: &str| text.len() >= 8 && text.bytes().all(is_base64url) && is_mixed(text);
    // Without anything before it the whole name is the hash, as of a chunk: there a word with a number could be mistaken for one.
    is_hex(stem)
        || stem.split('.').enumerate().any(|(at, part)| match part.rsplit_once('-') {
            Some((_, tail)) if is_hash(tail) => true,
            // The hash may hold a hyphen of its own.
            Some(_) => {
                part.len() > 9
                    && part.as_bytes()[part.len() - 9] == b'-'
                    && part.get(part.len() - 8..).is_some_and(is_hash)
            }
            None => at > 0 && is_hash(part),
        })
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Letters and digits: digits alone are a date.
fn is_mixed(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn looks_random(text: &str) -> bool {
    let count = |test: fn(&u8) -> bool| text.bytes().filter(test).count();
    let (digits, upper, lower) =
        (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    text.len() >= 8
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && ((digits > 0 && upper + lower > 0) || (upper > 1 && lower > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_hash_stands_for_its_content() {
        for path in [
            "assets/index-Bx12ab_Z.js",
            "app-3f2a1b9c.js",
            "assets/index-D-x1_ab2.css",
            "a/main.3f2a1b9c.js",
            "a/main.3f2a1b9c.js.map",
            "_next/static/chunks/0a1b2c3d4e5f.js",
        ] {
            assert!(names_content(path), "{path}");
        }
        for path in [
            "index.html",
            "assets/index-Bx12ab_Z.html",
            "assets/index-Bx12ab_Z",
            "assets/app.js",
            "assets/app-Bx12ab.js",
            "assets/app-abcdefgh.js",
            "assets/report-20240101.pdf",
            "assets/jquery-3.7.1.min.js",
            "3f2a1b9c/app.js",
            "bootstrap5.js",
            "assets/grüße-1ß3ä5ö7ü.js",
            "",
        ] {
            assert!(!names_content(path), "{path}");
        }
    }

    #[test]
    fn hashed_names_are_told_from_others() {
        for path in [
            "assets/index-Bx12ab_Z.js",
            "assets/index-D-x1_ab2.css",
            "static/js/main.3f2a1b9c.js",
            "_next/static/chunks/123-0a1b2c3d4e5f.js",
        ] {
            assert!(is_hashed(path), "{path}");
        }
        for path in [
            "index.html",
            "app-3f2a1b9c.js",
            "assets/jquery-3.7.1.min.js",
            "assets/logo.svg",
            "js/bootstrap.bundle.js",
            "assets/service-worker.js",
            "assets/report-20240101.pdf",
            "assets/page-3f2a1b9c.html",
        ] {
            assert!(!is_hashed(path), "{path}");
        }
    }
}
