<%def name="head(language, title, intro)">\
<!doctype html><html lang="${language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title><h1>${title}</h1>
<p>${intro}</p>
</%def>\
<%def name="errors(language, texts, subjects)">\
${head(language, texts("api.errors.title"), texts("api.errors.intro"))}\
% for subject, lines in subjects:
<h2>${subject}</h2><table>
<tr><th>${texts("api.errors.head.error")}</th><th>${texts("api.errors.head.detail")}</th>\
<th>${texts("api.errors.head.fix")}</th></tr>
% for line in lines:
<tr id="${line.id}"><td><code>${line.id}</code> ${line.status}</td>
<td>${line.detail}</td><td>${line.fix}</td></tr>
% endfor
</table>
% endfor
</html>\
</%def>\
<%def name="operations(document, errors, title)">\
${head("en", document["info"]["title"], document["info"]["description"])}\
<p><a href="/openapi.json">openapi.json</a></p>
<p><a href="${errors}">${title}</a></p>
% for path, methods in document["paths"].items():
% for method, operation in methods.items():
<h2>${method.upper()} ${path}</h2>
<p><strong>${operation["summary"]}.</strong></p>
<p>${operation.get("description", "")}</p>
% for one in operation.get("parameters", ()):
<p><code>${one["name"]}</code> (${one["in"]}${", required" if one.get("required") else ""}) \
${one.get("description", "")}</p>
% endfor
% for kind, body in operation.get("requestBody", {}).get("content", {}).items():
% for example in body.get("examples", {}).values():
<p>${kind}: ${example["summary"]}</p><pre>${as_json(example["value"])}</pre>
% endfor
% if "example" in body:
<p>${kind}:</p><pre>${body["example"]}</pre>
% endif
% endfor
<ul>
% for status, answer in operation["responses"].items():
<li>${status}: ${answer["description"]}</li>
% endfor
</ul>
% endfor
% endfor
</html>\
</%def>\
