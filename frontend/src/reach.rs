//! Whether the server answers: requests that bring nothing say so here, and what waits hears from here that it is back.

use leptos::prelude::*;

/// The first pause is not felt, the longest keeps a page that waits for a restart close to it.
const FIRST_PAUSE_MS: f64 = 250.0;
const LONGEST_PAUSE_MS: f64 = 3000.0;

/// Shared by all requests and streams of the page.
#[derive(Clone, Copy)]
pub struct Reach {
    away: RwSignal<bool>,
    /// Tells a stream that was opened since the server was lost from one that hangs since before.
    outages: StoredValue<u32>,
}

impl Reach {
    /// The server is taken to be there.
    pub fn new() -> Self {
        Self { away: RwSignal::new(false), outages: StoredValue::new(0) }
    }

    /// True since a request brought nothing and until one does; reactive.
    pub fn is_away(self) -> bool {
        self.away.get()
    }

    /// How often the server was lost so far.
    pub fn outages(self) -> u32 {
        self.outages.get_value()
    }

    /// A request brought nothing.
    pub fn lose(self) {
        if !self.away.get_untracked() {
            self.outages.update_value(|count| *count += 1);
            self.away.set(true);
        }
    }

    /// A request was answered.
    pub fn find(self) {
        if self.away.get_untracked() {
            self.away.set(false);
        }
    }
}

/// The reach of the page.
pub fn reach() -> Reach {
    expect_context()
}

/// Milliseconds until the next try after so many in vain. `random` (0 to 1) keeps the pages that lost the same server apart.
pub fn pause_after(tries: u32, random: f64) -> u32 {
    let pause = FIRST_PAUSE_MS * f64::from(1_u32 << tries.min(10));
    (pause.min(LONGEST_PAUSE_MS) * (0.75 + random / 4.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::pause_after;

    #[test]
    fn pauses_grow_to_a_few_seconds() {
        let pauses: Vec<u32> = [0, 1, 2, 3, 4, 40].map(|tries| pause_after(tries, 1.0)).to_vec();
        assert_eq!(pauses, [250, 500, 1000, 2000, 3000, 3000]);
        assert_eq!(pause_after(40, 0.0), 2250);
    }
}
