// Copying: a button's text, a field, several messages, a program.
import { messages } from "./messages.js";

// Over plain http a page cannot write to the clipboard, but it can choose the text when a selection is copied.
let wanted = null;
export async function copyFrom(source) {
  wanted = source.dataset.copy || source.href || source.nextElementSibling.textContent;
  await (navigator.clipboard?.writeText(wanted) ?? document.execCommand("copy"));
  wanted = null;
  source.lastChild.data = " Copied";
  setTimeout(() => source.closest("#menu")?.hidePopover(), 700);
}

document.addEventListener("focusin", ({ target }) => target.matches(".copyable") && target.select());

// Several messages are copied as paragraphs of author, time and text, without the controls around them.
const wordsOf = (message) =>
  [".author", "time", ".body"].map((part) => message.querySelector(part)?.innerText.trim() ?? "").join(" ");
document.addEventListener("copy", (event) => {
  const chosen = [...(messages()?.children ?? [])].filter((each) => getSelection().containsNode(each, true));
  if (!wanted && (chosen.length < 2 || event.target.matches("textarea, input"))) return;
  for (const button of wanted ? [] : document.querySelectorAll("#messages pre > button")) button.remove();
  event.clipboardData.setData("text/plain", wanted ?? chosen.map(wordsOf).join("\n\n"));
  event.preventDefault();
  offerCode();
});

function offerCode() {
  for (const code of document.querySelectorAll(".body pre:not(:has(button)) > code"))
    code.insertAdjacentHTML("beforebegin", '<button type="button" data-copy>Copy</button>');
}
document.addEventListener("htmx:after:swap", offerCode);
offerCode();
