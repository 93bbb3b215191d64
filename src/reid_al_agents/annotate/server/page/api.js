// Talking to the server. Every failure is an ApiError: status 0 where nothing came back.

import { sentence } from "./i18n.js";

const SIGN_IN = "/api/sign-in";
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

let session = null; // as the server described it when this page signed in
let whenLost = () => {};

/**
 * @param {(why: "signed_out"|"other_session"|"other_name", now: object|null) => void} listener called when the
 *   server no longer knows this page: it is signed out, another session is served here, or the browser goes by
 *   another name; `now` is the session as it is
 */
export function onLost(listener) {
  whenLost = listener;
}

/** @returns {Promise<object>} the session, and who this is */
export async function openSession() {
  return adopt(await get("/api/session"));
}

/** @param {{token: string}|{name: string}} who @returns {Promise<object>} the session */
export async function signIn(who) {
  session = null;
  return adopt(await request(SIGN_IN, posting(who, {})));
}

/** The CSRF token is renewed for the same annotator of the same session only. */
function adopt(found) {
  const why = session && (found.session !== session.session ? "other_session" : found.annotator !== session.annotator && "other_name");
  if (why) lose(why, found);
  session = found;
  return found;
}

function lose(why, now) {
  whenLost(why, now);
  throw new ApiError(401, "");
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

/** PUT a part of a file. @param {string} path @param {Blob} part @returns {Promise<any>} */
export function putPart(path, part) {
  const headers = { "Content-Type": "application/octet-stream", Accept: "application/json", "X-CSRF-Token": session?.csrf ?? "" };
  return request(path, { method: "PUT", headers, body: part });
}

/** @param {string} path @returns {Promise<any>} */
export function remove(path) {
  return request(path, { ...posting({}, { "X-CSRF-Token": session?.csrf ?? "" }), method: "DELETE" });
}

function send(path, body) {
  return request(path, posting(body, { "X-CSRF-Token": session?.csrf ?? "" }));
}

function posting(body, more) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", ...more };
  return { method: "POST", headers, body: JSON.stringify(body), keepalive: true };
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
  const served = response.headers.get("Reid-Session");
  if (session && served && served !== session.session) lose("other_session", null);
  if (response.ok) return reply;
  if (response.status === 401 && path !== SIGN_IN) lose("signed_out", null);
  throw new ApiError(response.status, typeof reply.error === "string" ? sentence(reply.error, reply.said) : "");
}

/** @returns {string} 128 random bits; the server counts a key once */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
