// Login with a token: the form, and then a cookie that no script can read.

import { el, setText } from "/static/dom.js";

const MARK = "logboom-logged-in"; // scripts can't read the cookie: this marks that there is one
const out = document.getElementById("logout");

let dialog = null;

/** Show the form for the token, unless it is shown already; the view is reloaded after that. */
function ask() {
  if (dialog) return;
  const token = el("input", { name: "token", type: "password", autocomplete: "current-password", required: true, id: "token" });
  const trouble = el("p", { class: "trouble", role: "alert" });
  const form = el("form", { on: { submit: (event) => send(event, token, trouble) } },
    el("h2", {}, "This server asks for a token"),
    el("label", { class: "field", for: "token" }, el("span", {}, "Token"), token), trouble,
    el("p", {}, el("button", { type: "submit", class: "primary" }, "Log in")));
  dialog = el("dialog", { class: "login", "aria-label": "Log in", on: { cancel: (event) => event.preventDefault() } }, form);
  document.body.append(dialog);
  dialog.showModal();
}

async function send(event, token, trouble) {
  event.preventDefault();
  try {
    const body = JSON.stringify({ token: token.value.trim() });
    const answer = await fetch("/api/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (!answer.ok) {
      setText(trouble, answer.status === 401 ? "This token is not known here." : `The server answered ${answer.status}.`);
      token.select();
      return;
    }
  } catch {
    setText(trouble, "The server can’t be reached.");
    return;
  }
  remember(true);
  location.reload();
}

function remember(logged_in) {
  try {
    if (logged_in) localStorage.setItem(MARK, "1");
    else localStorage.removeItem(MARK);
  } catch {
    // then the button stays hidden; the cookie expires
  }
}

out.addEventListener("click", async () => {
  await fetch("/api/logout", { method: "POST" }).catch(() => null);
  remember(false);
  location.reload();
});
try {
  out.hidden = !localStorage.getItem(MARK);
} catch {
  // storage is forbidden
}
addEventListener("login-needed", ask);
