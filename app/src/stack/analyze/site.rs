//! Sites: what generators without a list of packages make, and files as they are.

use boathouse_types::Topic;

use super::app::App;
use super::folder::Folder;
use crate::stack::default::SITE_FOLDERS;

/// Hugo and Jekyll, by their configuration.
pub fn generator(folder: &Folder<'_>) -> Option<App> {
    hugo(folder).or_else(|| jekyll(folder))
}

fn hugo(folder: &Folder<'_>) -> Option<App> {
    let names = ["hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml"];
    let config = folder.first(&names)?;
    let is_hugo = config.starts_with("hugo.") || folder.text(config)?.to_ascii_lowercase().contains("baseurl");
    if !is_hugo || !folder.files().any(|name| name.starts_with("content/") || name.starts_with("layouts/")) {
        return None;
    }
    let mut app = App::of(folder, "Hugo");
    app.found(Topic::Framework, "Hugo", folder, config, "a site of Hugo");
    app.usually(Topic::Files, "public");
    app.files = Some("/src/public".to_owned());
    app.ignore = ".git\npublic\nresources\n";
    if folder.has(".gitmodules") {
        app.warn("themes in git submodules are not fetched: add the theme's files to the repository");
    }
    app.dockerfile = Some(
        "FROM debian:bookworm-slim\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git hugo && rm -rf /var/lib/apt/lists/*\n\
         WORKDIR /src\nCOPY . .\nRUN hugo --minify --baseURL /\n"
            .to_owned(),
    );
    Some(app)
}

fn jekyll(folder: &Folder<'_>) -> Option<App> {
    if !folder.has("_config.yml")
        || !folder.files().any(|name| name.starts_with("_posts/") || name.starts_with("_layouts/"))
    {
        return None;
    }
    let mut app = App::of(folder, "Jekyll");
    app.found(Topic::Framework, "Jekyll", folder, "_config.yml", "a site of Jekyll");
    app.usually(Topic::Files, "_site");
    app.files = Some("/src/_site".to_owned());
    app.ignore = ".git\n_site\n";
    app.dockerfile = Some(
        "FROM debian:bookworm-slim\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends jekyll && rm -rf /var/lib/apt/lists/*\n\
         WORKDIR /src\nCOPY . .\nRUN jekyll build && rm -f _site/Dockerfile _site/boathouse.yaml\n"
            .to_owned(),
    );
    Some(app)
}

/// An index.html is served as it is.
pub fn plain(folder: &Folder<'_>) -> Option<App> {
    let index = |site: &str| if site == "." { "index.html".to_owned() } else { format!("{site}/index.html") };
    let site = SITE_FOLDERS.into_iter().find(|site| folder.has(&index(site)))?;
    let mut app = App::of(folder, "Static site");
    app.found(Topic::Files, site, folder, &index(site), "is served as it is");
    app.files = Some(site.to_owned());
    Some(app)
}
