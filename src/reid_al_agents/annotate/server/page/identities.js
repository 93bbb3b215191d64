// The identities found, as a contact sheet: several are picked and merged, one is opened and split, each is named.

import { get } from "./api.js";
import { choose } from "./choice.js";
import { button, focusHeading, h, icon, redraw } from "./dom.js";
import { t } from "./i18n.js";
import { IdentityPage } from "./identity.js";
import { IdentityFilters } from "./identity_filters.js";
import { nameField } from "./name_field.js";
import { notice } from "./notices.js";
import { addLink, edit, fill, head } from "./page.js";
import { pager } from "./pager.js";
import { groupWords, thumbnail, tile } from "./pictures.js";

const PER_PAGE = 60;
const UNDOABLE = ["merge", "split", "name", "confirm", "hide", "describe"]; // what is edited here

export class Identities {
  #offset = 0;
  #picked = new Map(); // id to group

  /**
   * @param {HTMLElement} element
   * @param {object} session
   * @param {{onStatus: (status: object) => void, onEdit: (kind: string) => void, onUndo: () => void,
   *   latestEdit: () => string|null}} handlers
   */
  constructor(element, session, handlers) {
    this.element = element;
    this.session = session;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body");
    this.merging = h("div.merging", { role: "region", hidden: true });
    this.undo = button({ class: "secondary", data: { do: "undo" }, on: { click: () => this.#undo() } }, icon("undo"), h("span"));
    element.append(this.head, this.body, this.merging);
    const change = (path, body, words) => this.change(path, body, words);
    this.one = new IdentityPage(this.head, this.body, change, session, (reply) => this.#corrected(reply));
    this.filters = new IdentityFilters(session, () => {
      this.#offset = 0;
      this.#list();
    });
  }

  /** @param {string} [id] of the identity to open; without it, the contact sheet */
  show(id) {
    this.#clear();
    return id ? this.one.show(id) : this.#sheet();
  }

  /**
   * Send an edit; afterwards the grouping is another, and `words`, if any, are said.
   * @returns {Promise<boolean|object>} whether it was taken; the reply where another identity has the name
   */
  async change(path, body, words) {
    const reply = await edit(path, body, words);
    if (reply?.event) this.handlers.onEdit(path.split("/").at(-1));
    this.#drawUndo();
    if (reply?.status) this.handlers.onStatus(reply.status);
    return reply?.taken ? reply : Boolean(reply);
  }

  #corrected(reply) {
    this.handlers.onEdit("describe");
    this.#drawUndo();
    this.handlers.onStatus(reply.status);
  }

  /** Only this visit's own edits are taken back here: an answer would be about a pair that is not in view. */
  #undo() {
    this.handlers.onUndo();
    this.#drawUndo();
  }

  #drawUndo() {
    const kind = this.handlers.latestEdit();
    this.undo.disabled = !UNDOABLE.includes(kind);
    this.undo.lastChild.textContent = t(this.undo.disabled ? "identities.undo" : `identities.undo_${kind}`);
    this.undo.title = this.undo.disabled ? t("identities.undo_none") : "";
  }

  #sheet() {
    this.#drawUndo();
    const history = h("a.secondary", { href: "#/history", text: t("history.title") });
    const print = button({ class: "secondary", data: { do: "print" }, text: t("identities.print"), on: { click: () => printOut(this.body) } });
    redraw(this.head, head("identities-title", t("identities.title"), t("identities.text"), addLink(this.session), history, print, this.undo), this.filters.draw());
    return this.#list();
  }

  async #list() {
    const path = `/api/identities?offset=${this.#offset}&limit=${PER_PAGE}&${this.filters.query}`;
    await fill(this.body, () => get(path), ({ total, items }) => {
      if (!items.length) return [h("div.empty", {}, h("h2", { text: t(this.filters.narrow ? "filter.none" : "identities.none") }))];
      const turn = (offset) => {
        this.#offset = offset;
        return this.#list();
      };
      const sheet = h("ul.sheet", {}, ...items.map((group) => this.#group(group)));
      return [sheet, pager(this.element, t("identities.pages"), this.#offset, PER_PAGE, total, turn)];
    });
  }

  #group(group) {
    const who = titleOf(group);
    const pictures = h("a.mosaic", { href: `#/identities/${encodeURIComponent(group.id)}`, "aria-label": t("identities.open", { who }) },
      ...group.images.slice(0, 8).map((image) => tile(image, { lazy: true })));
    const box = h("input", { type: "checkbox", "aria-label": t("identities.pick_one", { who }), checked: this.#picked.has(group.id), on: { change: (event) => this.#pick(group, event.target.checked) } });
    const name = nameField(group, (...edit) => this.change(...edit), () => this.#list());
    return h("li", { data: { id: group.id } }, pictures,
      h("div.sheet-words", {}, name, h("span", { text: groupWords(group) }),
        h("label.pick", {}, box, h("span", { text: t("identities.pick") }))));
  }

  #pick(group, on) {
    if (on) this.#picked.set(group.id, group);
    else this.#picked.delete(group.id);
    this.#drawMerging();
  }

  #drawMerging() {
    const picked = [...this.#picked.values()];
    this.merging.hidden = !picked.length;
    this.merging.setAttribute("aria-label", t("identities.merge"));
    const merge = button({ class: "primary", disabled: picked.length < 2, text: picked.length > 2 ? t("identities.merge_many", { n: picked.length }) : t("identities.merge"), on: { click: () => this.#merge(picked) } });
    const clear = button({ class: "secondary", text: t("identities.clear"), on: { click: () => this.#clear() } });
    const shown = picked.slice(0, 6).map((one) => h("div.picked", {}, ...one.images.slice(0, 3).map((image) => thumbnail(image)), h("span", { text: titleOf(one) })));
    const hint = h("p", { text: t(picked.length < 2 ? "identities.pick_another" : "identities.pick_two") });
    this.merging.replaceChildren(...shown, hint, merge, clear);
  }

  #clear() {
    this.#picked.clear();
    this.#drawMerging();
    for (const box of this.body.querySelectorAll(".pick input")) box.checked = false;
  }

  /** A name typed into the old sheet would be lost with it: nothing is taken until the new one stands. */
  async #merge(picked) {
    const names = [...new Set(picked.map((one) => one.name).filter(Boolean))];
    const name = names.length > 1 ? await chooseName(names) : undefined;
    if (name === null) return;
    this.body.inert = true;
    const body = { identities: picked.map((one) => one.id), ...(name ? { name } : {}) };
    const merged = await this.change("/api/identities/merge", body);
    await this.show();
    this.body.inert = false;
    if (document.activeElement === document.body) focusHeading(this.element);
    if (merged) notice(picked.length > 2 ? t("identities.merged_many", { n: picked.length }) : t("identities.merged"));
  }
}

/** Print once all pictures are there, those out of sight, too. */
async function printOut(body) {
  const missing = [...body.querySelectorAll("img")].filter((picture) => !picture.naturalWidth && !picture.closest("[hidden]"));
  const loaded = missing.map((picture) => new Promise((done) => (picture.onload = picture.onerror = done)));
  for (const picture of missing) picture.loading = "eager";
  await Promise.all(loaded);
  window.print();
}

/** @returns {Promise<string|null>} which name stays; null where one thought better of it */
function chooseName(names) {
  const body = [h("p", { text: t("names.which_text") })];
  return choose(t("names.which"), body, names.map((name, place) => ({ value: name, label: name, primary: !place })));
}

/** @returns {string} a group's name, or its number where it has none */
export function titleOf(group) {
  return group.name || t("identities.unnamed", { id: group.id });
}
