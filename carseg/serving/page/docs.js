// The description of the interface, /openapi.json, as a page.

const element = (kind, text = "", className = "") => Object.assign(document.createElement(kind), { textContent: text, className });

function table(rows) {
  const made = element("table");
  for (const [name, text] of rows) {
    const row = element("tr");
    row.append(element("th", name), element("td", text));
    made.append(row);
  }
  return made;
}

function setting({ name, schema, description = "" }) {
  const kinds = (schema.anyOf ?? [schema]).filter((each) => each.type !== "null");
  const values = kinds.map((each) => each.enum?.join(" | ") ?? each.const ?? each.type).join(" | ");
  const usual = schema.default === undefined || schema.default === null ? "" : ` Default: ${schema.default}.`;
  return [`?${name}=`, `${description || schema.description || ""}${usual} (${values})`];
}

function request(path, method, { summary, description, parameters = [], requestBody, responses }) {
  const article = element("article");
  const head = element("h2");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path), ` ${summary}`);
  article.append(head, element("p", description ?? ""));
  if (requestBody) {
    const address = `${new URL("./", location.href)}${path.slice(1)}`;
    const forms = requestBody.content["multipart/form-data"].schema.properties;
    const more = Object.keys(forms).filter((field) => field !== "image").map((field) => ` -F ${field}=@other.jpg`);
    article.append(element("pre", `curl -F image=@car.jpg ${address}\ncurl --data-binary @car.jpg -H "Content-Type: image/jpeg" ${address}${more.map((form) => `\ncurl -F image=@car.jpg${form} ${address}`).join("")}`));
  }
  article.append(table(parameters.map(setting)));
  const answers = Object.entries(responses).map(([status, { content = {}, description }]) => [
    status,
    status === "200" ? Object.keys(content).join(" or ") || description : description,
  ]);
  article.append(table(answers));
  return article;
}

const { paths } = await (await fetch("openapi.json")).json();
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, about] of Object.entries(methods)) document.getElementById("requests").append(request(path, method, about));
}
