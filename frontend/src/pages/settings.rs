//! Settings: the instance, its users, API tokens, logins at registries, the disk.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::instance::Instance;
use super::not_found::NotFound;
use super::registries::Registries;
use super::shared::InstanceVariables;
use super::tokens::Tokens;
use super::users::Users;
use crate::components::Tabs;
use crate::parts::{self, page};
use crate::session::is_admin;

#[component]
pub fn SettingsPage() -> impl IntoView {
    let params = use_params_map();
    let tab = Memo::new(move |_| params.with(|params| params.get("tab").unwrap_or_default()));
    let mut tabs = vec![
        ("/settings".to_owned(), "Instance"),
        ("/settings/variables".to_owned(), "Variables"),
        ("/settings/tokens".to_owned(), "Tokens"),
    ];
    if is_admin() {
        tabs.push(("/settings/users".to_owned(), "Users"));
        tabs.push(("/settings/registries".to_owned(), "Registries"));
        tabs.push(("/settings/disk".to_owned(), "Disk"));
    }
    let current = Signal::derive(move || format!("/settings/{}", tab.get()).trim_end_matches('/').to_owned());
    view! {
        <div class="page narrow">
            <header class="title"><h1>"Settings"</h1></header>
            <Tabs label="Settings" tabs current/>
            {move || match tab.get().as_str() {
                "" => view! { <Instance/> }.into_any(),
                "variables" => view! { <InstanceVariables/> }.into_any(),
                "tokens" => view! { <Tokens/> }.into_any(),
                "users" => view! { <Users/> }.into_any(),
                "registries" => view! { <Registries/> }.into_any(),
                "disk" if is_admin() => page(parts::disk),
                _ => view! { <NotFound what="settings page"/> }.into_any(),
            }}
        </div>
    }
}
