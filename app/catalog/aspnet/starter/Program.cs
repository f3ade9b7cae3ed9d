using App;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<Visits>();
var app = builder.Build();

app.MapGet("/healthz", () => "ok");
app.MapGet("/", async (Visits visits) =>
{
    var sentence = Sentence.Of(await visits.CountAsync(), Visits.Store);
    var html = $"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{{project}}</title></head>"
        + $"<body><h1>{{project}}</h1><p>{sentence}</p></body></html>";
    return Results.Content(html, "text/html; charset=utf-8");
});

app.Run();
