// What is shown while there is no question.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { errorWords } from "./notices.js";

/**
 * @param {null|"planning"|"finished"|"others"} waiting
 * @param {Error|null} error
 * @param {() => void} retry
 */
export function waitingView(waiting, error, retry) {
  if (error) {
    return h("div.empty", {}, h("p.lead", {}, icon("warn"), h("span", { text: errorWords(error) })),
      button({ class: "primary", text: t("shell.retry"), on: { click: retry } }));
  }
  const state = waiting || "loading";
  const busy = state === "planning" || state === "loading" ? h("div.spinner", { "aria-hidden": "true" }) : null;
  const links = state === "finished" ? finishedLinks() : null;
  return h("div.empty", { data: { state } }, busy, h("h2", { text: t(`waiting.${state}.title`) }), h("p", { text: t(`waiting.${state}.text`) }), links);
}

function finishedLinks() {
  return h("p.links", {},
    h("a.primary", { href: "#/identities", text: t("waiting.see_identities") }),
    h("a.secondary", { href: "#/progress", text: t("waiting.see_progress") }));
}

/** What a visitor sees whom the server does not know. */
export function gateView() {
  const field = h("input", { name: "token", type: "password", autocomplete: "off", required: true, id: "gate-token" });
  return h("div.empty", {},
    h("h1", { id: "gate-title", text: t("gate.title") }),
    h("p", { text: t("gate.text") }),
    h("form", { method: "get", action: "/" },
      h("label", { for: "gate-token", text: t("gate.token") }), field,
      h("button.primary", { type: "submit", text: t("gate.enter") })));
}
