import express from "express";

const app = express();
const port = process.env.PORT ?? 3000;

app.get("/", (request, response) => {
  response.json({ greeting: "hello from Node", version: process.version });
});

app.get("/greet/:name", (request, response) => {
  response.type("text").send(`hello ${request.params.name}`);
});

const server = app.listen(port, () => console.log(`listening on ${port}`));
process.on("SIGTERM", () => server.close());
