// What comes in from elsewhere: answers and identities from files, and new pictures with what the model proposes for them.

import { get, newKey, post } from "./api.js";
import { card } from "./cards.js";
import { button, h, redraw } from "./dom.js";
import { hasWords, number, percent, sentence, t } from "./i18n.js";
import { errorWords, notice } from "./notices.js";
import { edit, head } from "./page.js";
import { tile } from "./pictures.js";
import { discard, upload } from "./upload.js";

const LOOK_AGAIN = 1000; // milliseconds
const SHOWN = 12; // new pictures of one proposal

export class Adding {
  #timer = 0;
  #upload = null; // the file whose content is shown and not taken in yet

  /** @param {HTMLElement} element @param {object} session @param {{onStatus: (status: object) => void}} handlers */
  constructor(element, session, handlers) {
    Object.assign(this, { element, session, handlers });
    this.head = h("div");
    this.imports = h("div.adding", { "aria-live": "polite" });
    this.pictures = h("div.adding", { "aria-live": "polite" });
    this.body = h("div.page-body.cards");
    element.append(this.head, this.body);
  }

  show() {
    const back = h("a.secondary", { href: "#/progress", text: t("nav.progress") });
    redraw(this.head, head("add-title", t("nav.add"), t("add.text"), back));
    if (!this.session.may_add) return redraw(this.body, h("div.empty", {}, h("h2", { text: t("add.not_allowed") })));
    redraw(this.body, this.#importCard(), this.#pictureCard());
    return this.#look();
  }

  hide() {
    clearTimeout(this.#timer);
  }

  // answers and identities

  #importCard() {
    const choose = fileButton("import", t("add.choose_file"), { accept: ".csv,.json,.jsonl" }, (files) => this.#check(files));
    const made = card(t("add.imports"), h("p", { text: t("add.imports_text") }), choose, this.imports);
    made.classList.add("wide");
    return made;
  }

  async #check(files) {
    await this.#leave();
    try {
      this.#upload = await upload(files, (done, total) => this.imports.replaceChildren(bar(t("add.sending"), done, total)));
      const found = await post("/api/imports/check", { key: newKey(), upload: this.#upload });
      this.#showImport(found);
    } catch (error) {
      this.imports.replaceChildren(refusal(error));
    }
  }

  #showImport(found) {
    const facts = [
      ["add.answers", found.answers && t("add.answers_of", found)],
      ["add.identities", found.identities && t("add.identities_of", { n: found.images, identities: found.identities })],
      ["add.edits", found.edits && number(found.edits)],
      ["add.known", found.events > found.new && number(found.events - found.new)],
    ].filter(([, value]) => value);
    const list = h("dl.facts", {}, ...facts.map(([key, value]) => h("div", {}, h("dt", { text: t(key) }), h("dd", { text: value }))));
    const take = button({ class: "primary", data: { do: "take-in" }, text: t("add.take_in"), on: { click: () => this.#takeIn(found) } });
    const leave = button({ class: "secondary", data: { do: "leave" }, text: t("add.leave"), on: { click: () => this.#leave() } });
    const words = h("p", { text: t(found.new ? "add.file_holds" : "add.nothing_new", { file: found.file }) });
    this.imports.replaceChildren(words, list, h("div.screen-buttons", {}, found.new ? take : null, leave));
    this.imports.querySelector("button").focus();
  }

  async #takeIn({ file }) {
    this.imports.inert = true;
    const reply = await edit("/api/imports", { upload: this.#upload });
    this.imports.inert = false;
    if (!reply) return;
    this.#upload = null;
    this.imports.replaceChildren(h("p", { text: t("add.taken_in", { file, n: reply.new }) }));
    notice(t("add.taken_in", { file, n: reply.new }));
    this.handlers.onStatus(reply.status);
  }

  async #leave() {
    const id = this.#upload;
    this.#upload = null;
    this.imports.replaceChildren();
    if (id) await discard(id);
  }

  // pictures

  #pictureCard() {
    const choose = h("div.screen-buttons", {},
      fileButton("pictures", t("add.choose_pictures"), { multiple: true, accept: "image/*" }, (files) => this.#offer(files)),
      fileButton("folder", t("add.choose_folder"), { webkitdirectory: true }, (files) => this.#offer(files)));
    const made = card(t("add.pictures"), h("p", { text: t("add.pictures_text") }), choose, this.pictures);
    made.classList.add("wide");
    return made;
  }

  async #offer(files) {
    clearTimeout(this.#timer);
    try {
      const id = await upload(files, (done, total) => this.pictures.replaceChildren(bar(t("add.sending"), done, total)));
      this.#draw(await post("/api/additions", { key: newKey(), upload: id }));
    } catch (error) {
      const now = error.status === 0 ? await get("/api/additions").catch(() => null) : null; // the reply alone may be lost
      if (now?.addition) this.#draw(now);
      else this.pictures.replaceChildren(refusal(error));
    }
  }

  async #look() {
    clearTimeout(this.#timer);
    try {
      this.#draw(await get("/api/additions"));
    } catch (error) {
      this.pictures.replaceChildren(refusal(error));
    }
  }

  #draw({ addition, found }) {
    const busy = addition?.state === "reading" || addition?.state === "adding";
    if (busy) {
      const stage = `add.stage_${addition.what.replaceAll(" ", "_")}`;
      const what = t(`add.${addition.state}`, { what: t(hasWords(stage) ? stage : "add.stage_start") });
      this.pictures.replaceChildren(bar(what, addition.done, addition.total));
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => !this.element.hidden && this.#look(), LOOK_AGAIN);
      this.wasAdding = addition.state === "adding";
      return;
    }
    if (!addition) {
      if (this.wasAdding) this.#added();
      this.pictures.replaceChildren();
    } else if (addition.state === "failed") {
      const close = button({ class: "secondary", text: t("shell.close"), on: { click: () => this.#change("discard") } });
      this.pictures.replaceChildren(h("p.lead", { role: "alert", text: t("add.failed", { message: sentence(addition.message, addition.said) }) }), close);
    } else {
      redraw(this.pictures, ...this.#proposals(found, addition.message && sentence(addition.message, addition.said)));
    }
    this.wasAdding = false;
  }

  #added() {
    notice(t("add.added"));
    get("/api/status").then(this.handlers.onStatus, () => {});
  }

  #proposals(found, message) {
    const left = ["known", "removed", "scored", "others"].filter((name) => found[name]).map((name) => h("li", { text: t(`add.left_${name}`, { n: found[name] }) }));
    if (found.damaged.length) left.push(h("li", { text: t("add.left_damaged", { n: found.damaged.length, names: found.damaged.slice(0, 5).join(", ") }) }));
    const accept = button({ class: "primary", data: { do: "accept" }, text: t("add.accept", { n: found.new }), on: { click: () => this.#change("accept") } });
    const no = button({ class: "secondary", data: { do: "discard" }, text: t(found.new ? "add.discard" : "shell.close"), on: { click: () => this.#change("discard") } });
    return [
      message && h("p.lead", { role: "alert", text: message }),
      h("p", { text: t(found.new ? "add.proposed" : "add.no_new_pictures", { n: found.new }) }),
      left.length ? h("ul.why-filters", {}, ...left) : null,
      h("div.screen-buttons", {}, found.new ? accept : null, no),
      h("ol.proposals", {}, ...found.proposals.map(proposal)),
    ].filter(Boolean);
  }

  async #change(what) {
    this.pictures.inert = true;
    const reply = await edit(`/api/additions/${what}`, {});
    this.pictures.inert = false;
    if (reply) this.#draw(reply);
  }
}

function proposal({ kind, probability, images, known, moved }) {
  const names = known.map((one) => one.name || t("add.unnamed", { n: one.size })).join(" + ");
  const rest = images.length > SHOWN ? h("span.remark", { text: t("history.more", { n: images.length - SHOWN }) }) : null;
  const pictures = (list) => h("div.act-pictures", {}, ...list.map((image) => tile(image, { lazy: true })));
  const more = moved ? h("span.remark", { text: t("add.moved", { n: moved }) }) : null;
  return h("li", { data: { kind } },
    h("p", {}, h("b", { text: t(`add.kind_${kind}`, { names }) }), h("span", { text: t("add.probability", { share: percent(probability) }) }), more),
    h("div.proposal-pictures", {}, pictures(images.slice(0, SHOWN)), rest, ...known.map((one) => h("div.known", { role: "group", "aria-label": one.name || t("add.unnamed", { n: one.size }) }, pictures(one.images)))));
}

/** A button that opens the browser's choice of files. */
function fileButton(name, text, options, onFiles) {
  const field = h("input.unseen", { type: "file", data: { name }, ...options, on: { change: (event) => take(event.target) } });
  const take = (input) => {
    const files = [...input.files];
    input.value = ""; // the same may be chosen once more
    if (files.length) onFiles(files);
  };
  return h("label.secondary.file", {}, field, h("span", { text }));
}

function bar(words, done, total) {
  const known = total > 0;
  return h("div.refresh", {}, h("p", {}, h("span", { text: words }), h("span", { text: known ? percent(done / total) : "" })),
    h("progress", { "aria-label": words, max: known ? total : null, value: known ? done : null }));
}

function refusal(error) {
  return h("p.lead", { role: "alert", text: error.message || errorWords(error) });
}
