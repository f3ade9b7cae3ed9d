//! Icons as single paths on a 24 × 24 grid, drawn in the colour of the text around them.

use leptos::prelude::*;

/// The path of an icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyph(&'static str);

macro_rules! glyphs {
    ($($name:ident = $path:literal;)*) => { impl Glyph { $(pub const $name: Self = Self($path);)* } };
}

glyphs! {
    LOGO = "M2.5 11.5 12 4l9.5 7.5 M5 9.8V17 M19 9.8V17 M9.5 17v-4.5h5V17 M2 20.5c1.7 0 1.7-1.2 3.3-1.2s1.7 1.2 3.4 1.2 1.6-1.2 3.3-1.2 1.7 1.2 3.3 1.2 1.7-1.2 3.4-1.2 1.6 1.2 3.3 1.2";
    CHECK = "M20 6 9 17l-5-5";
    HEALTHY = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M16.5 9l-5.5 6-3.5-3.5";
    DEGRADED = "M10.3 3.9 1.8 18a2 2 0 0 0 1.7 3h17a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0z M12 9v4.5 M12 17h.01";
    DOWN = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M15 9l-6 6 M9 9l6 6";
    OFF = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M8 12h8";
    ASLEEP = "M20.5 14.500A8.8 8.8 0 1 1 9.500 3.500a7 7 0 0 0 11 11z";
    SPINNER = "M21 12a9 9 0 1 1-6.2-8.6";
    CLOCK = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M12 7v5l3.5 2";
    CLOSE = "M18 6 6 18 M6 6l12 12";
    PLUS = "M12 5v14 M5 12h14";
    MORE = "M6.5 9.5 12 15l5.5-5.5";
    SEARCH = "M11 3.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15z M21 21l-4.5-4.5";
    DEPLOY = "M12 20V5 M5.5 11.5 12 5l6.5 6.5";
    ROLL_BACK = "M3 12a9 9 0 1 0 9-9 9.7 9.7 0 0 0-6.7 2.7L3 8 M3 3v5h5";
    START = "M7 4.5 19.5 12 7 19.5z";
    STOP = "M6.5 6.5h11v11h-11z";
    TRASH = "M4 6.5h16 M9 6.5V4h6v2.5 M18.5 6.5 17.5 20h-11l-1-13.5 M10 11v5 M14 11v5";
    GIT = "M6.5 8v13 M6.5 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z M17.5 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z M17.5 10c0 4-4 5-11 5";
    ARCHIVE = "M4 8.5V20h16V8.5 M2.5 4h19v4.5h-19z M10 12.5h4";
    IMAGE = "M20.5 16V8L12 3.2 3.5 8v8l8.5 4.8z M3.8 7.8 12 12.5l8.2-4.7 M12 20.8v-8.3";
    OPEN = "M18 13.5V20H4V6h6.5 M14.5 3.5h6v6 M10.5 13.5l10-10";
    LOCK = "M5 10.5h14V20H5z M8 10.5V7.5a4 4 0 0 1 8 0v3";
    COPY = "M9 9h11v11H9z M5 15H4V4h11v1";
    DOWNLOAD = "M12 4v11 M6.5 10 12 15.5 17.5 10 M5 20h14";
    USER = "M19.5 20.5a7.5 7.5 0 0 0-15 0 M12 12.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9z";
    SETTINGS = "M4 7h9 M17 7h3 M15 5v4 M4 17h3 M11 17h9 M9 15v4 M4 12h16";
    CHEVRON = "M9.5 6.5 15 12l-5.5 5.5";
    KEY = "M8 20a5 5 0 1 0 0-10 5 5 0 0 0 0 10z M11.6 11.4 20.5 2.5 M16.5 6.5l3 3";
    SERVER = "M3 4h18v6.5H3z M3 13.5h18V20H3z M7 7.2h.01 M7 16.7h.01";
    DISK = "M21.5 12.5h-19 M6 5h12l3.5 7.5V19h-19v-6.5z M6.5 16h.01 M10 16h.01";
    GLOBE = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M2.5 12h19 M12 2.5c5 5.5 5 13.5 0 19 M12 2.5c-5 5.5-5 13.5 0 19";
    HELP = "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z M9.3 9.200a2.8 2.8 0 1 1 4.2 2.400c-1 .6-1.5 1.2-1.5 2.2 M12 17h.01";
    OFFLINE = "M3 3l18 18 M8.5 16.500a5 5 0 0 1 7 0 M5 12.900a10 10 0 0 1 4.5-2.5 M13.5 10.200a10 10 0 0 1 5.5 2.7 M2 9a15 15 0 0 1 4-2.6 M10 5.100A15 15 0 0 1 22 9 M12 20h.01";
}

/// Decoration: the words beside it carry the meaning.
#[component]
pub fn Icon(glyph: Glyph, #[prop(optional)] class: &'static str) -> impl IntoView {
    view! {
        <svg class=format!("icon {class}") viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=glyph.0></path>
        </svg>
    }
}
