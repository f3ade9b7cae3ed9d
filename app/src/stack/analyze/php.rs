//! PHP: Laravel, Symfony, and folders with an index.php.

use boathouse_types::Topic;

use super::app::App;
use super::folder::{Folder, version};

const PHP: &str = "8.3";
const PORT: u16 = 8080;

/// A folder with a composer.json or an index.php.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let composer = folder.json("composer.json");
    let index = folder.first(&["public/index.php", "web/index.php", "index.php"]);
    composer.as_ref().map(|_| ()).or(index.map(|_| ()))?;
    let mut app = App::of(folder, "PHP");
    let required: Vec<String> = composer
        .as_ref()
        .and_then(|json| json["require"].as_object())
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default();
    let has = |name: &str| required.iter().any(|package| package == name);
    for (package, name) in [("laravel/framework", "Laravel"), ("symfony/framework-bundle", "Symfony")] {
        if has(package) {
            app.name = name.to_owned();
            app.found(Topic::Framework, name, folder, "composer.json", format!("{package}: {name}"));
        }
    }
    app.runs = index.is_some();
    let root = index.map_or("public", |index| index.rsplit_once('/').map_or(".", |(folder, _)| folder));
    let (file, fact) = (index.unwrap_or("composer.json"), format!("the server's folder is {root}"));
    app.found(Topic::Start, format!("frankenphp php-server --root {root}"), folder, file, fact);
    if composer.is_some() {
        app.found(Topic::PackageManager, "Composer", folder, "composer.json", "packages are installed by Composer");
    }
    if folder.has("composer.lock") {
        app.found(Topic::LockFile, "composer.lock", folder, "composer.lock", "pins the packages");
    }
    app.needs_of(folder, "composer.json", required.iter().map(String::as_str));
    let asked = composer.as_ref().and_then(|json| version(json["require"]["php"].as_str()?, 2));
    // A composer.json says "at least": what is usual is newer and does, unless it asks for more.
    let tag = asked.filter(|asked| asked.as_str() > PHP).unwrap_or_else(|| PHP.to_owned());
    app.usually(Topic::Language, format!("PHP {tag}"));
    app.usually(Topic::Port, PORT.to_string());
    let install = if composer.is_some() {
        "COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer\nCOPY composer.json composer.loc[k] ./\n\
         RUN composer install --no-dev --no-scripts --no-autoloader --prefer-dist\nCOPY . .\nRUN composer dump-autoload --no-dev --optimize\n"
    } else {
        "COPY . .\n"
    };
    let writable = if app.name == "Laravel" { "storage bootstrap/cache " } else { "" };
    let migrate = if app.name == "Laravel" { "php artisan migrate --force && " } else { "" };
    if composer.is_some() && !folder.has("composer.lock") {
        app.warn("no composer.lock: Composer installs the newest versions at every build");
    }
    app.port = Some(PORT);
    app.ignore = ".git\nvendor\nnode_modules\n.env\n.env.*\n";
    app.dockerfile = Some(format!(
        "FROM dunglas/frankenphp:1-php{tag}\nRUN install-php-extensions pdo_pgsql pdo_mysql redis intl zip opcache\nENV PORT={PORT}\nWORKDIR /app\n{install}\
         RUN chown -R www-data:www-data {writable}/data /config\nUSER www-data\nEXPOSE {PORT}\nCMD [\"sh\", \"-c\", \"{migrate}exec frankenphp php-server --root {root} --listen :$PORT\"]\n"
    ));
    Some(app)
}
