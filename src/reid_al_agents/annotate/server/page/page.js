// What the pages beside the answer view share: loading with an error in one line, and edits.

import { newKey, post } from "./api.js";
import { button, h, icon, redraw } from "./dom.js";
import { t } from "./i18n.js";
import { errorWords, notice } from "./notices.js";

/**
 * Show a page's content once it is loaded; while it loads the old content stays.
 * @param {HTMLElement} body
 * @param {() => Promise<any>} load
 * @param {(loaded: any) => Node[]} draw
 */
export async function fill(body, load, draw) {
  const request = (body.request = Symbol("request"));
  body.setAttribute("aria-busy", "true");
  if (!body.children.length) body.append(h("div.empty", {}, h("div.spinner", { "aria-label": t("waiting.loading.title") })));
  let nodes;
  try {
    nodes = draw(await load());
  } catch (error) {
    const retry = button({ class: "primary", text: t("shell.retry"), on: { click: () => fill(body, load, draw) } });
    nodes = [h("div.empty", {}, h("p.lead", { role: "alert" }, icon("warn"), h("span", { text: errorWords(error) })), retry)];
  }
  if (body.request !== request) return;
  redraw(body, ...nodes);
  body.removeAttribute("aria-busy");
}

/**
 * POST an edit under a key of its own; a lost reply is asked for once more under the same key.
 * @param {string} path @param {object} body @param {string} done what to say afterwards
 * @returns {Promise<any>} the reply, or null where it was refused (which is said)
 */
export async function edit(path, body, done) {
  const keyed = { ...body, key: newKey() };
  try {
    const reply = await post(path, keyed).catch((error) => {
      if (error.status !== 0) throw error;
      return post(path, keyed);
    });
    if (done) notice(done);
    return reply;
  } catch (error) {
    notice(errorWords(error), { kind: "error" });
    return null;
  }
}

/** Where pictures, answers and identities are added, for those who may. @param {{may_add: boolean}} session */
export function addLink(session) {
  return session.may_add ? h("a.secondary", { href: "#/add", text: t("add.title") }) : null;
}

/** A page's head: its name, a line about it, and tools. */
export function head(id, title, text, ...tools) {
  return h("header.page-head", {}, h("div", {}, h("h1", { id, text: title }), text && h("p", { text })), h("div.page-tools", {}, ...tools.filter(Boolean)));
}
