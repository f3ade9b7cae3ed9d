//! The gate and the route table: one line per page.

use boathouse_types::{Project, path::API};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;

use crate::api::Api;
use crate::components::{Clock, Doorway, Problem, Shell, Skeleton};
use crate::live::{Live, of_all};
use crate::pages::*;
use crate::parts::{self, page};
use crate::reach::Reach;
use crate::session::{Account, Gate};
use crate::stream::Events;

/// All projects with their deployments: the home page, the palette and the deploy buttons read the same value.
#[derive(Clone, Copy)]
pub struct Projects(pub Live<Vec<Project>>);

#[component]
pub fn App() -> impl IntoView {
    let gate = RwSignal::new(Gate::Unknown);
    let reach = Reach::new();
    provide_context(reach);
    let api = Api::new(gate, reach);
    provide_context(api);
    provide_context(Account(gate));
    provide_context(Clock::start());
    spawn_local(api.open_gate());
    // Only a change of kind draws anew: another session of the same user keeps the page.
    let kind = Memo::new(move |_| gate.with(std::mem::discriminant));
    move || {
        // Read, not only tracked: a memo that nobody reads is never computed.
        let _ = kind.get();
        match gate.get_untracked() {
            Gate::Unknown => view! { <Skeleton/> }.into_any(),
            Gate::Setup => view! { <SetupPage/> }.into_any(),
            Gate::SignedOut => view! { <SignInPage/> }.into_any(),
            Gate::SignedIn(_) => view! { <Router><Inside/></Router> }.into_any(),
            Gate::Unreachable(problem) => {
                let again = move |_| spawn_local(api.open_gate());
                view! { <Doorway title="No answer"><Problem problem/><button type="button" class="primary" on:click=again>"Try again"</button></Doorway> }.into_any()
            }
        }
    }
}

#[component]
fn Inside() -> impl IntoView {
    provide_context(Events::open());
    let projects = Live::new(format!("{API}/projects"), of_all);
    provide_context(Projects(projects));
    view! {
        <Shell projects>
            <Routes fallback=|| view! { <NotFound what="page"/> }>
                <Route path=path!("/") view=HomePage/>
                <Route path=path!("/setup") view=HomePage/>
                <Route path=path!("/new") view=|| page(parts::new_project)/>
                <Route path=path!("/new/stack") view=|| page(parts::stack)/>
                <Route path=path!("/catalog") view=|| page(parts::catalog)/>
                <Route path=path!("/settings/:tab?") view=|| page(parts::settings)/>
                <Route path=path!("/projects/:project") view=|| page(parts::project)/>
                <Route path=path!("/variables/:project") view=|| page(parts::variables)/>
                <Route path=path!("/hooks/:project") view=|| page(parts::hooks)/>
                <Route path=path!("/projects/:project/:deployment/:tab?") view=|| page(parts::deployment)/>
                <Route path=path!("/projects/:project/:deployment/releases/:number") view=|| page(parts::release)/>
            </Routes>
        </Shell>
    }
}
