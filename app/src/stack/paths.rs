//! Paths of a manifest: inside the source, inside a container, of a URL.

/// Characters of a path.
const MAX: usize = 500;
/// Characters of a URL's path.
const MAX_URL: usize = 1000;

/// A path inside the source, without `.` and empty parts; `.` for the root.
pub fn inside(path: &str) -> Result<String, String> {
    let shown = path.escape_debug();
    if path.starts_with('/') {
        return Err(format!("\"{shown}\" is absolute; give a path inside the source, such as web"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("\"{shown}\" leads out of the source: `..` is not allowed"));
    }
    if path.len() > MAX || path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(format!("\"{shown}\" is not a path: use `/` between folders and no control characters"));
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// An absolute folder of a container in which a volume may be mounted.
pub fn mount(path: &str) -> Result<String, String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let sane = path.starts_with('/') && !parts.is_empty() && path.len() <= MAX;
    let system = parts.first().is_some_and(|first| matches!(*first, "proc" | "sys" | "dev"));
    if !sane
        || system
        || parts.iter().any(|p| matches!(*p, "." | ".."))
        || path.chars().any(|c| c.is_control() || c == ':' || c == ',')
    {
        return Err(format!(
            "\"{}\" cannot be mounted: give an absolute folder in the container, as in /data",
            path.escape_debug()
        ));
    }
    Ok(format!("/{}", parts.join("/")))
}

/// An absolute folder of an image.
pub fn in_image(path: &str) -> Result<String, String> {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if path.split('/').any(|part| part == "..") || path.chars().any(char::is_control) {
        return Err("an absolute path in the image without `..` is needed".to_owned());
    }
    Ok(path)
}

/// The path of a URL, as a prefix or to be asked for.
pub fn url(path: &str) -> Result<(), String> {
    let clean = path.starts_with('/') && path.len() <= MAX_URL && path.bytes().all(|b| b.is_ascii_graphic());
    let folded = path.split('/').any(|part| part == "." || part == "..");
    if clean && !folded && !path.contains('#') {
        return Ok(());
    }
    Err(format!("\"{}\" is not a path: begin with `/` and use no spaces, `..` or `#`", path.escape_debug()))
}
