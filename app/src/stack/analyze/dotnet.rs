//! .NET: ASP.NET and Blazor on the server, Blazor in the browser.

use boathouse_types::Topic;

use super::app::App;
use super::folder::{Folder, version};

const PORT: u16 = 8080;
const DOTNET: &str = "10.0";

/// A folder with a project file.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let is_project =
        |name: &&str| !name.contains('/') && [".csproj", ".fsproj", ".vbproj"].iter().any(|end| name.ends_with(end));
    let project = folder.files().find(is_project)?.to_owned();
    let text = folder.text(&project)?;
    let in_browser = text.contains("Microsoft.NET.Sdk.BlazorWebAssembly");
    let mut app = App::of(folder, if in_browser { "Blazor" } else { "ASP.NET" });
    app.runs = in_browser || text.contains("Microsoft.NET.Sdk.Web");
    app.found(
        Topic::Framework,
        app.name.clone(),
        folder,
        &project,
        if in_browser { "Blazor in the browser" } else { "a web application" },
    );
    let element = |name: &str| text.split_once(&format!("<{name}>"))?.1.split('<').next().map(str::to_owned);
    let tag = element("TargetFramework").and_then(|target| version(&target, 2)).unwrap_or_else(|| DOTNET.to_owned());
    app.found(Topic::Language, format!(".NET {tag}"), folder, &project, format!(".NET {tag}"));
    app.found(Topic::PackageManager, "NuGet", folder, &project, format!(".NET {tag}"));
    if folder.has("packages.lock.json") {
        app.found(Topic::LockFile, "packages.lock.json", folder, "packages.lock.json", "pins the packages");
    }
    let references = text.split("PackageReference Include=\"").skip(1).filter_map(|rest| rest.split('"').next());
    app.needs_of(folder, &project, references);
    let name = element("AssemblyName")
        .unwrap_or_else(|| project.rsplit_once('.').map_or(String::new(), |(stem, _)| stem.to_owned()));
    let build = format!(
        "FROM mcr.microsoft.com/dotnet/sdk:{tag}{}\nWORKDIR /src\nCOPY *.*proj ./\nRUN dotnet restore\nCOPY . .\nRUN dotnet publish {project} --configuration Release --output /app\n",
        if in_browser { "" } else { " AS build" }
    );
    app.ignore = ".git\nbin\nobj\n.env\n.env.*\n";
    if in_browser {
        (app.files, app.spa) = (Some("/app/wwwroot".to_owned()), true);
        app.usually(Topic::Files, "wwwroot");
        app.dockerfile = Some(build);
        return Some(app);
    }
    app.port = Some(PORT);
    app.usually(Topic::Port, PORT.to_string());
    app.usually(Topic::Start, format!("dotnet {name}.dll"));
    app.dockerfile = Some(format!(
        "{build}\nFROM mcr.microsoft.com/dotnet/aspnet:{tag}\nENV ASPNETCORE_HTTP_PORTS={PORT}\nWORKDIR /app\nCOPY --from=build /app ./\nUSER $APP_UID\nEXPOSE {PORT}\nENTRYPOINT [\"dotnet\", \"{name}.dll\"]\n"
    ));
    Some(app)
}
