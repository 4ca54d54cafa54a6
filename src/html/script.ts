/**
 * The script of every page. It filters rows while the user types, and copies text to the clipboard. Elements that need
 * the script are hidden until it runs. It never parses text as HTML.
 */
export const script = `'use strict';
const status = document.getElementById('status');
const say = (text) => { status.textContent = text; };

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('not copied');
}

for (const button of document.querySelectorAll('button[data-copy]')) {
  const label = button.textContent;
  let timer;
  button.hidden = false;
  button.addEventListener('click', async () => {
    const text = await copy(button.dataset.copy).then(() => 'Copied', () => 'Not copied');
    button.focus();
    button.textContent = text;
    say(text);
    clearTimeout(timer);
    timer = setTimeout(() => { button.textContent = label; say(''); }, 1500);
  });
}

for (const box of document.querySelectorAll('[data-filter]')) {
  const input = box.querySelector('input');
  const count = box.querySelector('output');
  const rows = [...document.querySelectorAll('#' + box.dataset.filter + ' > [data-row]')]
    .map((row) => ({ row, text: row.dataset.row.toLowerCase() }));
  const filter = () => {
    const words = input.value.toLowerCase().split(/\\s+/);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    count.textContent = input.value.trim() === '' ? '' : shown + ' of ' + rows.length;
  };
  box.hidden = false;
  input.addEventListener('input', filter);
  filter();
}
`;
