//! Sources of packages besides those in the binary: a git repository or a folder of the server.

use boathouse_types::{CatalogSource, NewCatalogSource, SourceLocation};
use leptos::prelude::*;

use crate::api::{api, at};
use crate::components::*;
use crate::format;
use crate::live::{Live, of_all};
use crate::session::is_admin;

/// A list of all, and for administrators the ways to change it.
#[component]
pub fn Sources(
    /// The catalog has other packages now.
    changed: Callback<()>,
) -> impl IntoView {
    let live = Live::<Vec<CatalogSource>>::new(at("/catalog/sources"), of_all);
    let changed = Callback::new(move |()| {
        live.refresh();
        changed.run(());
    });
    let list = move |sources: Signal<Vec<CatalogSource>>| {
        let rows = move || sources.get().into_iter().map(|source| view! { <SourceRow source changed/> }).collect_view();
        view! {
            <ul class="rows">{rows}</ul>
            <Show when=move || sources.with(Vec::is_empty)><p class="hint">"Only what Boathouse brings along."</p></Show>
        }
        .into_any()
    };
    view! {
        <section>
            <header class="section-title">
                <div><h2>"Sources"</h2><p class="hint">"Packages of your own, from a git repository or a folder of the server. They are read as data, and pinned by commit."</p></div>
                <Show when=is_admin><AddSource changed/></Show>
            </header>
            {live.show(list)}
        </section>
    }
}

fn place_of(location: &SourceLocation) -> String {
    match location {
        SourceLocation::Git { url, reference: Some(reference) } => format!("{url} · {reference}"),
        SourceLocation::Git { url, reference: None } => url.to_string(),
        SourceLocation::Folder { path } => path.clone(),
    }
}

#[component]
fn SourceRow(source: CatalogSource, changed: Callback<()>) -> impl IntoView {
    let glyph = match source.location {
        SourceLocation::Git { .. } => Glyph::GIT,
        SourceLocation::Folder { .. } => Glyph::ARCHIVE,
    };
    let packages = match source.packages.as_slice() {
        [] => "no packages".to_owned(),
        packages => packages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let commit = source.commit.as_ref().map(|commit| format!(" · {}", format::short_sha(commit)));
    let fetched = source.refreshed_at.map(|at| view! { " · "<Moment at/> });
    let problem = source
        .problem
        .clone()
        .map(|problem| view! { <span class="mark bad"><Icon glyph=Glyph::DOWN/><span>{problem}</span></span> });
    let busy = source
        .busy
        .then(|| view! { <span class="mark busy"><Icon glyph=Glyph::SPINNER class="turning"/>"being fetched"</span> });
    view! {
        <li>
            <span class="main"><Icon glyph/><strong>{source.name.to_string()}</strong>" "<span class="hint">{place_of(&source.location)}</span></span>
            <span class="reason">{packages}<span class="hint">{commit}{fetched}</span>" "{busy}{problem}</span>
            {is_admin().then(|| view! { <SourceActions source changed/> })}
        </li>
    }
}

#[component]
fn SourceActions(source: CatalogSource, changed: Callback<()>) -> impl IntoView {
    let (api, refreshing, removing, open) = (api(), Attempt::new(), Attempt::new(), RwSignal::new(false));
    let name = StoredValue::new(source.name);
    let words = name.with_value(ToString::to_string);
    let refresh = move |_| {
        refreshing.run(async move {
            api.refresh_source(&name.get_value()).await?;
            changed.run(());
            Ok(())
        });
    };
    let remove = Callback::new(move |()| {
        removing.run(async move {
            api.remove_source(&name.get_value()).await?;
            open.try_set(false);
            changed.run(());
            Ok(())
        });
    });
    view! {
        <span class="row-actions">
            <button type="button" class="quiet" aria-label=format!("Refresh {words}") disabled=refreshing.busy on:click=refresh>"Refresh"</button>
            <button type="button" class="quiet icon-only" aria-label=format!("Remove {words}") on:click=move |_| open.set(true)><Icon glyph=Glyph::TRASH/></button>
        </span>
        <AttemptProblem attempt=refreshing/>
        <Confirm open title=format!("Remove {words}?") verb="Remove" attempt=removing on_confirm=remove
            says="Its packages leave the catalog. What was deployed of them stays as it is."/>
    }
}

#[component]
fn AddSource(changed: Callback<()>) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <button type="button" on:click=move |_| open.set(true)><Icon glyph=Glyph::PLUS/><span>"Add a source"</span></button>
        <Dialog open title="Add a source of packages"><AddForm open changed/></Dialog>
    }
}

#[component]
fn AddForm(open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let (api, attempt) = (api(), Attempt::new());
    let text = |text: &str| RwSignal::new(text.to_owned());
    let (name, kind, address, reference) = (text(""), text("git"), text(""), text(""));
    let kinds = [("git", "Git repository"), ("folder", "Folder of the server")];
    let kinds = Signal::stored(kinds.map(|(own, words)| (own.to_owned(), words.to_owned())).to_vec());
    let add = move || {
        let source = match source(
            &name.get_untracked(),
            &kind.get_untracked(),
            &address.get_untracked(),
            some_text(reference),
        ) {
            Ok(source) => source,
            Err(problem) => return attempt.refuse(problem),
        };
        attempt.run(async move {
            api.add_source(&source).await?;
            open.try_set(false);
            changed.run(());
            Ok(())
        });
    };
    let is_git = move || kind.get() == "git";
    view! {
        <Form attempt label="Add" glyph=Glyph::PLUS on_submit=add>
            <Field label="Name" value=name required=true focus=true placeholder="team"/>
            <Choice label="Where" value=kind options=kinds/>
            {move || match is_git() {
                true => view! { <Field label="Address" value=address required=true placeholder="https://git.example.com/team/packages.git"/><Field label="Branch, tag or commit" value=reference placeholder="the repository's own"/> }.into_any(),
                false => view! { <Field label="Path" value=address required=true placeholder="/srv/packages" hint="An absolute path on the server."/> }.into_any(),
            }}
            <p class="hint">"It holds packages in folders of their own, or is one: whatever has a package.yaml."</p>
        </Form>
    }
}

/// What is asked for, or the rule that an input breaks.
fn source(name: &str, kind: &str, address: &str, reference: Option<String>) -> Result<NewCatalogSource, String> {
    let name = name.trim().parse().map_err(|problem| format!("Name: {problem}."))?;
    let location = match kind {
        "folder" => SourceLocation::Folder { path: address.trim().to_owned() },
        _ => SourceLocation::Git {
            url: address.trim().parse().map_err(|problem| format!("{problem}."))?,
            reference: reference.map(|text| text.parse()).transpose().map_err(|problem| format!("{problem}."))?,
        },
    };
    Ok(NewCatalogSource { name, location })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_repository_or_a_folder() {
        let folder = source("team", "folder", " /srv/packages ", None).unwrap();
        assert_eq!(place_of(&folder.location), "/srv/packages");
        let git = source("team", "git", "https://git.example.com/team/packages.git", Some("v2".to_owned())).unwrap();
        assert_eq!(place_of(&git.location), "https://git.example.com/team/packages.git · v2");
        assert!(source("Not so", "git", "", None).unwrap_err().starts_with("Name: "));
    }
}
