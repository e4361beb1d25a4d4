// Tells the document its language and direction, by which screen readers and the browser go, and has Streamlit's own
// names of things said in it: `said` has them by their English, and none in English.
({ lang, dir, said }) => {
  Object.assign(document.documentElement, { lang, dir });
  const english = (window.affectmlEnglish ??= {}); // of what was said before, in whatever language
  for (const [text, now] of Object.entries(said)) english[now] = text;
  const say = () => {
    for (const element of document.querySelectorAll("[aria-label]")) {
      const text = english[element.ariaLabel] ?? element.ariaLabel;
      if ((said[text] ?? text) !== element.ariaLabel) element.ariaLabel = said[text] ?? text;
    }
    const skip = document.querySelector("[data-testid=stSkipToContent]")?.firstChild;
    const text = skip && (english[skip.data] ?? skip.data);
    if (skip && (said[text] ?? text) !== skip.data) skip.data = said[text] ?? text;
  };
  say();
  window.affectmlSays?.disconnect();
  window.affectmlSays = new MutationObserver(say);
  const told = { childList: true, subtree: true, attributeFilter: ["aria-label"] };
  if (lang !== "en") window.affectmlSays.observe(document.body, told);
}
