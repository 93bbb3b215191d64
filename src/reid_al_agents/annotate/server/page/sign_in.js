// Who is answering: a token from a link, or a name. And what is shown once the server no longer knows the page.

import { signIn } from "./api.js";
import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { errorWords } from "./notices.js";

/** What a visitor without a token sees. @param {string} [error] why the token of the link was refused */
export function tokenView(error = "") {
  return h("div.empty", {}, h("h1", { id: "gate-title", text: t("gate.title") }), h("p", { text: t("gate.text") }), tokenForm(error));
}

function tokenForm(error = "") {
  return signInForm({ name: "token", label: t("gate.token"), type: "password", submit: t("gate.enter") }, error);
}

/** Load the page again, without the token or name of a link. */
function restart() {
  history.replaceState(null, "", `/${location.hash}`);
  location.reload();
}

/** A link proposes a name: nothing changes until the person says so. @param {string} name @param {string} current */
export function nameView(name, current) {
  return h("div.empty", {},
    h("h1", { id: "gate-title", text: t("gate.name_title", { name }) }),
    h("p", { text: t("gate.name_text", { current }) }),
    h("p.links", {}, becoming(name, "primary"), button({ class: "secondary", text: t("gate.go_on", { name: current }), on: { click: restart } })));
}

/**
 * The server no longer knows this page.
 * @param {"signed_out"|"other_session"|"other_name"} why
 * @param {{unsent: number, before: object, now: object|null}} about the session before, and the present one if known
 */
export function lostView(why, { unsent, before, now }) {
  const actions = why === "other_name"
    ? [becoming(before.annotator, "primary"), button({ class: "secondary", text: t("gate.go_on", { name: now.annotator }), on: { click: restart } })]
    : [button({ class: "primary", text: t("shell.retry"), on: { click: restart } })];
  const kept = unsent ? h("p.lead", { data: { unsent } }, icon("warn"), h("span", { text: t("gate.unsent", { n: unsent }) })) : null;
  return h("div.empty", { data: { lost: why } },
    h("h1", { id: "gate-title", text: t(`gate.${why}.title`, { name: now?.annotator ?? "" }) }),
    h("p", { text: t(`gate.${why}.text`, { name: now?.annotator ?? "", before: before.annotator }) }),
    kept, why === "signed_out" ? tokenForm() : null, h("p.links", {}, ...actions));
}

function becoming(name, kind) {
  const become = () => signIn({ name }).then(restart);
  return button({ class: kind, text: t("gate.be", { name }), on: { click: become } });
}

/** Ask under which name to answer. @param {HTMLDialogElement} dialog @param {string} current */
export function askName(dialog, current) {
  const close = button({ class: "icon-button", "aria-label": t("shell.close"), on: { click: () => dialog.close() } }, icon("close"));
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "name-title", text: t("gate.who_title") }), close),
    h("p", { text: t("gate.who_text") }),
    signInForm({ name: "name", label: t("gate.name"), value: current, submit: t("gate.save_name") }));
  dialog.showModal();
}

function signInForm({ name, label, submit, ...attributes }, error = "") {
  const field = h("input", { name, id: `sign-in-${name}`, autocomplete: "off", required: true, autofocus: true, maxlength: name === "name" ? 40 : 200, ...attributes });
  const said = h("p.lead", { role: "alert" }, ...(error ? [icon("warn"), h("span", { text: error })] : []));
  const send = async (event) => {
    event.preventDefault();
    try {
      await signIn({ [name]: field.value.trim() });
      restart();
    } catch (failure) {
      said.replaceChildren(icon("warn"), h("span", { text: failure.status === 401 ? failure.message : errorWords(failure) }));
    }
  };
  return h("form.sign-in", { on: { submit: send } }, h("label", { for: `sign-in-${name}`, text: label }), field, h("button.primary", { type: "submit", text: submit }), said);
}
