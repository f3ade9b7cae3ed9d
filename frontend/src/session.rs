//! Who is at the console: decides between set-up, sign-in and the application itself.

use boathouse_types::{ErrorBody, Role, Session};
use leptos::prelude::*;

/// What stands between a visitor and the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Not known yet: the first request is on its way.
    Unknown,
    /// There is no administrator yet.
    Setup,
    /// Nobody is signed in, or the session has ended.
    SignedOut,
    /// The application is open.
    SignedIn(Session),
    /// The server did not answer the first request.
    Unreachable(ErrorBody),
}

/// The session as the components see it.
#[derive(Clone, Copy)]
pub struct Account(pub RwSignal<Gate>);

impl Account {
    /// The name of the caller; empty where nobody is signed in.
    pub fn name(self) -> String {
        self.0.with(|gate| match gate {
            Gate::SignedIn(session) => session.name.to_string(),
            _ => String::new(),
        })
    }

    /// True where the caller may do what needs `role`. The server decides; this only hides buttons that it would refuse.
    pub fn may(self, role: Role) -> bool {
        self.0.with(|gate| matches!(gate, Gate::SignedIn(session) if session.role >= role))
    }
}

/// Whether this browser was signed in when it was last used. Only a hint: without it, the first request of a visitor who has no
/// session would be an error in the browser's console. The session itself is a cookie that no script can read.
pub struct Remembered;

impl Remembered {
    const KEY: &'static str = "boathouse-signed-in";

    pub fn get() -> bool {
        storage().and_then(|storage| storage.get_item(Self::KEY).ok().flatten()).is_some()
    }

    pub fn set(signed_in: bool) {
        let Some(storage) = storage() else { return };
        // A browser that keeps nothing asks the server each time.
        let _ = if signed_in { storage.set_item(Self::KEY, "1") } else { storage.remove_item(Self::KEY) };
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// The account of the page.
pub fn account() -> Account {
    expect_context()
}

/// May the caller deploy and change projects?
pub fn may_change() -> bool {
    account().may(Role::Member)
}

/// May the caller manage users and the instance?
pub fn is_admin() -> bool {
    account().may(Role::Admin)
}
