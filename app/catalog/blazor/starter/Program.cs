using App;
using App.Components;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<Visits>();
builder.Services.AddRazorComponents().AddInteractiveServerComponents();
var app = builder.Build();

app.UseAntiforgery();
app.MapGet("/healthz", () => "ok");
app.MapStaticAssets();
app.MapRazorComponents<Root>().AddInteractiveServerRenderMode();

app.Run();
