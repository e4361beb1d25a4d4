// Streamlit calls this on every change of a page's data: the first call for an element builds the page there, and each
// tells it what there is now.
export default function ({ parentElement, data, setTriggerValue }) {
  const place = parentElement.querySelector(".mount");
  let gone = false;
  import(new URL(`${data.base}/APP/client/main.js?${data.version}`, location.origin).href).then(({ build }) => {
    if (gone) return;
    place.page ??= build(place, data, setTriggerValue);
    place.page.receive(data);
  });
  return () => {
    gone = true;
    place.page?.close();
    delete place.page;
  };
}
