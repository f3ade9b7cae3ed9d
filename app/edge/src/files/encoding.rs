//! What a client accepts: the weights of `Accept-Encoding`.

/// What a client accepts, in thousandths.
pub struct Qualities<'a>(&'a str);

impl<'a> Qualities<'a> {
    /// Of a header's value.
    pub fn parse(accept: &'a str) -> Self {
        Self(accept)
    }

    /// The weight of `coding`; `None` where the client did not say.
    pub fn of(&self, coding: &str) -> Option<u32> {
        let mut any = None;
        for item in self.0.split(',') {
            let mut parts = item.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if name.eq_ignore_ascii_case(coding) {
                return Some(weight);
            }
            if name == "*" {
                any = Some(weight);
            }
        }
        // `*` speaks for identity only to forbid it.
        any.filter(|weight| coding != "identity" || *weight == 0)
    }
}

fn thousandths(text: &str) -> u32 {
    text.trim().parse::<f32>().map_or(0, |weight| (weight.clamp(0.0, 1.0) * 1000.0) as u32)
}
