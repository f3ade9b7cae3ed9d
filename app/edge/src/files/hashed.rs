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
