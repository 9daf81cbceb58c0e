// The service, as HTTP: what is asked, what comes back, and one sentence for whatever goes wrong.

const KEY = "sentixrl-token";

/** What the address carries for this run, taken out of it at once. */
const given = new URLSearchParams(location.hash.slice(1));
if (given.has("token")) sessionStorage.setItem(KEY, given.get("token"));
if (location.hash) history.replaceState(null, "", location.pathname + location.search);
const known = given.has("ticket") ? redeem(given.get("ticket")) : sessionStorage.getItem(KEY);

/** The token for a ticket that is good once; null for one that is not. */
async function redeem(ticket) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("v1/token", { method: "POST", headers, body: JSON.stringify({ ticket }) }).catch(() => null);
  if (!answer?.ok) return null;
  const { token } = await answer.json();
  sessionStorage.setItem(KEY, token);
  return token;
}

/** Whether `sentixrl open FILE` has a file for the page. */
export const brings = given.has("file");

export class ServiceError extends Error {
  constructor(message, hint = null) {
    super(message);
    this.hint = hint;
  }
}

async function ask(path, body, { accept = "application/json", signal } = {}) {
  const headers = { Accept: accept };
  const token = await known;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service cannot be reached.", "Is it still running? What you typed is kept here.");
  }
  if (!answer.ok) throw await refused(answer);
  return answer;
}

async function refused(answer) {
  const said = await answer.json().catch(() => ({}));
  const wait = answer.headers.get("Retry-After");
  if (answer.status === 429) {
    return new ServiceError(said.error ?? "The service is busy.", wait ? `Try again in ${wait} seconds.` : "Try again in a moment.");
  }
  if (answer.status === 401) {
    return new ServiceError("The service does not know this page.", "Open it again from the link that the command printed, or start the command again.");
  }
  return new ServiceError(said.error ?? `The service answered with status ${answer.status}.`, said.hint);
}

export const models = async () => (await ask("v1/models")).json();
export const read = async (body, signal) => (await ask("v1/read", body, { signal })).json();
export const opened = async () => (await ask("v1/opened")).json();

/** The answers, record by record, as they come. */
export async function* classify(body, signal) {
  const answer = await ask("v1/classify", body, { accept: "application/x-ndjson", signal });
  let rest = "";
  let ended = false;
  try {
    for await (const piece of pieces(answer.body)) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.trim()) continue;
        const record = JSON.parse(line);
        ended ||= record.type === "end";
        yield record;
      }
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (!ended) throw new ServiceError("The service stopped before the end.", "What was answered stays here. Ask again for the rest.");
}

async function* pieces(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Bytes as the service takes them. */
export async function asBase64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
