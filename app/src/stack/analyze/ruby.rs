//! Ruby: Rails, what Rack starts, and Jekyll's sites.

use boathouse_types::Topic;

use super::app::App;
use super::folder::{Folder, version};

const RUBY: &str = "3.3";
const PORT: u16 = 3000;

/// A folder with a Gemfile.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let gemfile = folder.text("Gemfile")?;
    let lines = gemfile.lines().filter_map(|line| line.trim().strip_prefix("gem "));
    let gems: Vec<&str> =
        lines.filter_map(|rest| rest.trim_start_matches(['"', '\'', '(']).split(['"', '\'']).next()).collect();
    let has = |name: &str| gems.contains(&name);
    let mut app = App::of(folder, "Ruby");
    let lock = if folder.has("Gemfile.lock") { " Gemfile.lock" } else { "" };
    app.found(Topic::PackageManager, "Bundler", folder, "Gemfile", "packages are installed by Bundler");
    if folder.has("Gemfile.lock") {
        app.found(Topic::LockFile, "Gemfile.lock", folder, "Gemfile.lock", "pins the gems");
    }
    // `redis` and others have the same name everywhere; `pg` and `mysql2` as well.
    app.needs_of(folder, "Gemfile", gems.iter().copied());
    let of_file = folder.text(".ruby-version").and_then(|text| version(&text, 2));
    let of_gemfile = || gemfile.lines().find_map(|line| version(line.trim().strip_prefix("ruby ")?, 2));
    let tag = of_file.or_else(of_gemfile).unwrap_or_else(|| RUBY.to_owned());
    app.found(Topic::Language, format!("Ruby {tag}"), folder, "Gemfile", format!("Ruby {tag}"));
    app.ignore = ".git\nlog\ntmp\nvendor/bundle\n.env\n.env.*\n";
    let base = format!(
        "FROM ruby:{tag}-slim\nRUN apt-get update -q && apt-get install -y -q --no-install-recommends build-essential libpq-dev default-libmysqlclient-dev libyaml-dev git && rm -rf /var/lib/apt/lists/*\n\
         WORKDIR /app\nENV BUNDLE_WITHOUT=development:test\nCOPY Gemfile{lock} ./\nRUN bundle install\nCOPY . .\n"
    );
    if has("jekyll") || has("github-pages") {
        app.name = "Jekyll".to_owned();
        app.files = Some("/app/_site".to_owned());
        app.found(Topic::Framework, "Jekyll", folder, "Gemfile", "a site of Jekyll");
        app.usually(Topic::Files, "_site");
        app.dockerfile =
            Some(format!("{base}RUN bundle exec jekyll build && rm -f _site/Dockerfile _site/boathouse.yaml\n"));
        return Some(app);
    }
    let (name, build, start) = if has("rails") {
        let build = "RUN SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile || echo 'no assets'\n";
        ("Rails", build, "bundle exec rails db:prepare && exec bundle exec rails server --binding 0.0.0.0 --port $PORT")
    } else {
        app.runs = folder.has("config.ru");
        let name = if has("sinatra") { "Sinatra" } else { "Rack" };
        (name, "", "exec bundle exec rackup --host 0.0.0.0 --port $PORT")
    };
    app.name = name.to_owned();
    app.found(Topic::Framework, name, folder, "Gemfile", format!("an application of {name}"));
    app.usually(Topic::Start, start);
    app.usually(Topic::Port, PORT.to_string());
    if name == "Rails" {
        app.warn("Rails needs SECRET_KEY_BASE or RAILS_MASTER_KEY: set it before the first deploy");
    }
    app.port = Some(PORT);
    app.dockerfile = Some(format!(
        "{base}ENV RAILS_ENV=production RACK_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1 PORT={PORT}\n{build}RUN useradd --uid 10001 --create-home app && chown -R app:app /app\nUSER app\nEXPOSE {PORT}\nCMD [\"sh\", \"-c\", \"{start}\"]\n"
    ));
    Some(app)
}
