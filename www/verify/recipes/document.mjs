// The code of a document, as it stands there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const RECIPES = new URL('../RECIPES.md', import.meta.url);

// The code blocks of one language, in their order, with `replacements` made in each: [what, by what], where
// every `what` must be there, or the recipe would not be about what is tested.
export function code(language, index, replacements, document = RECIPES) {
  const text = readFileSync(document, 'utf8');
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, name]) => name === language);
  assert.ok(blocks[index], `${document} has ${blocks.length} blocks of ${language}`);
  let [, , block] = blocks[index];
  for (const [what, by] of replacements) {
    assert.ok(block.includes(what), `the ${language} recipe does not have ${what}`);
    block = block.replaceAll(what, by);
  }
  return block;
}

export const ORIGIN = 'https://app.example';
