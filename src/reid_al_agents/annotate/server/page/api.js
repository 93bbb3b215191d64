// Talking to the server. Every failure is an ApiError: status 0 where nothing came back.

const PATIENCE = 20_000; // milliseconds until a request counts as failed

/** A request that failed: `status` is the server's, or 0; the message is one line for a person. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether sending the same again may help. */
  get passing() {
    return [0, 401, 403, 408, 425, 429].includes(this.status) || this.status >= 500;
  }
}

let csrf = "";
let whenLockedOut = () => {};

/** @param {() => void} listener called whenever the server does not know who this is (401) */
export function onLockedOut(listener) {
  whenLockedOut = listener;
}

/** @returns {Promise<object>} who this is, and what the run is called */
export async function openSession() {
  const session = await get("/api/session");
  csrf = session.csrf;
  return session;
}

/** @param {string} path @returns {Promise<any>} */
export function get(path) {
  return request(path, { headers: { Accept: "application/json" } });
}

/** POST JSON; a stale CSRF token (the server was restarted) is renewed once. */
export async function post(path, body) {
  try {
    return await send(path, body);
  } catch (error) {
    if (error.status !== 403) throw error;
    await openSession();
    return send(path, body);
  }
}

function send(path, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), keepalive: true });
}

async function request(path, options) {
  let response, reply;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(path, { ...options, signal, credentials: "same-origin", cache: "no-store" });
    reply = await response.json();
  } catch {
    if (!response || response.ok) throw new ApiError(0, "");
    reply = {};
  }
  if (response.ok) return reply;
  if (response.status === 401) whenLockedOut();
  throw new ApiError(response.status, typeof reply.error === "string" ? reply.error : "");
}

/** @returns {string} 128 random bits; the server counts a key once */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
