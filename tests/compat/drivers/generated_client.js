// A program with the TypeScript client that was generated from the OpenAPI document, compiled.
// generated_client.js FOLDER URL KEY: submits, uploads, looks, pages, follows, stops; prints what it
// was answered.
const [, , folder, baseUrl, auth] = process.argv;
const api = require(`${folder}/index.js`);
const { client } = require(`${folder}/client.gen.js`);
client.setConfig({ baseUrl, auth });

const content = { msgtype: "text", text: { content: "hello" } };
const people = [0, 1, 2, 3].map((n) => `oTypeScript${String(n).padStart(17, "0")}`);

const submit = (key, audience) =>
  api.submit({ headers: { "Idempotency-Key": key }, body: { content, audience } });
const upload = (id, openids) =>
  api.upload({
    path: { broadcast_id: id }, body: new Blob([openids.join("\n")], { type: "text/csv" }),
    headers: { "Content-Type": "text/csv" },
  });

async function pages() {
  const found = [];
  for (let cursor; cursor !== null;) {
    const { data } = await api.listBroadcasts({ query: { limit: 1, cursor } });
    found.push(...data.broadcasts.map((one) => one.id));
    cursor = data.next;
  }
  return found;
}

async function followed(id) {
  const events = [];
  const { stream } = await api.events({
    path: { broadcast_id: id }, onSseEvent: (event) => events.push(event.event),
    sseMaxRetryAttempts: 1,
  });
  for await (const _ of stream);
  return events;
}

async function main() {
  const mine = { openids: people.slice(0, 2) };
  const inline = await submit("typescript", mine);
  const again = await submit("typescript", mine);
  const refused = await submit("typescript", { openids: people.slice(1, 3) });
  const reserved = (await submit("uploaded", { upload: true })).data;
  const uploads = [];
  for (const list of [people.slice(2), people.slice(2), people.slice(1)]) {
    uploads.push(await upload(reserved.id, list));
  }
  const path = { broadcast_id: inline.data.id };
  const paused = (await api.pause({ path, body: { why: "wrong link" } })).data;
  const cancelled = (await api.cancel({ path, body: {} })).data;
  const looked = (await api.getBroadcast({ path })).data;
  const rows = await api.recipients({
    path: { broadcast_id: reserved.id }, query: { set: ["waiting"] }, parseAs: "text",
  });
  const unknown = (await api.getBroadcast({ path: { broadcast_id: "nobody" } })).error;
  const campaign = { path: { name: "weekly" } };
  const added = (await api.addCampaign({
    body: { name: "weekly", cron: "0 20 * * 5", content, audience: { tag_id: 2 } },
  })).data;
  const edited = (await api.editCampaign({
    ...campaign, body: { cron: "0 19 * * 5", version: 1 },
  })).data;
  const listed = (await api.listCampaigns()).data.campaigns;
  const removed = (await api.removeCampaign(campaign)).data;
  const accounts = (await api.listAccounts()).data.accounts;
  console.log(JSON.stringify({
    submits: [inline, again, refused].map((one) => one.response.status),
    refusal: refused.error.type, field: refused.error.field,
    uploads: uploads.map((one) => one.response.status), uploaded: uploads[0].data.state,
    paused: [paused.changed, paused.state], cancelled: cancelled.state, looked: looked.state,
    followed: (await followed(inline.data.id)).map((event) => `event: ${event}`),
    rows: rows.data.trim().split("\n").length, unknown: [unknown.status, unknown.fix !== ""],
    pages: JSON.stringify(await pages()) === JSON.stringify([reserved.id, inline.data.id]),
    campaigns: [added.state, edited.version, listed.map((one) => one.name), removed.state],
    accounts: accounts.map((one) => one.name),
  }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
