export default function (component) {
  const { parentElement, data } = component;
  let cleanup = null;
  let gone = false;
  import(new URL(`${data.base}/APP/client/main.js?${data.version}`, location.origin).href).then(({ mount }) => {
    if (!gone) cleanup = mount(parentElement, data, component);
  });
  return () => {
    gone = true;
    if (cleanup) cleanup();
  };
}
