// Copying: a button's text, a field, several messages, a program.
import { messages } from "./messages.js";

// Over plain http there is no clipboard, only the copying of what is selected, whose text a page may choose.
export async function copyFrom(source) {
  const text = source.dataset.copy || source.href;
  const put = (copying) => copying.preventDefault(copying.clipboardData.setData("text/plain", text));
  document.addEventListener("copy", put, { once: true });
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else document.execCommand("copy");
  document.removeEventListener("copy", put);
  source.lastChild.data = " Copied";
  setTimeout(() => source.closest("#menu")?.hidePopover(), 700);
}

document.addEventListener("focusin", ({ target }) => target.matches(".copyable") && target.select());

// Of several messages their authors, times and texts are copied, a paragraph each, and nothing of what stands around.
const wordsOf = (message) =>
  [".author", "time", ".body"].map((part) => message.querySelector(part)?.innerText.trim() ?? "").join(" ");
document.addEventListener("copy", (event) => {
  const chosen = [...(messages()?.children ?? [])].filter((each) => getSelection().containsNode(each, true));
  if (chosen.length < 2 || event.defaultPrevented || event.target.matches("textarea, input")) return;
  const buttons = messages().querySelectorAll("pre > button");
  for (const each of buttons) each.hidden = true;
  event.clipboardData.setData("text/plain", chosen.map(wordsOf).join("\n\n"));
  for (const each of buttons) each.hidden = false;
  event.preventDefault();
});

function offerCode() {
  for (const code of document.querySelectorAll(".body pre:not(:has(button)) > code")) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
    button.dataset.copy = code.textContent;
    code.before(button);
  }
}
document.addEventListener("htmx:after:swap", offerCode);
offerCode();
