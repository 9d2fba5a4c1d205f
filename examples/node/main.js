// Encodes, indexes, searches and explains on a running server:
//
//   spladed serve --data ./data          in another terminal
//   npm ci && npm start                  or: node main.js HOST:PORT

import { open, rows, SpladedError } from './spladed.js';

const COLLECTION = 'from-node';
const DOCUMENTS = [
  { id: 'train', text: 'How to train your dog for agility.' },
  { id: 'agile', text: 'A fast, agile fox leaps across a sleeping canine.' },
  { id: 'history', text: 'The history of the fox as a wild animal.' },
];
const QUESTION = 'fox and dog agility';

const target = process.argv[2] ?? '127.0.0.1:50051';
const { encoder, index, close } = open(target);

try {
  const info = await encoder.GetInfo({});
  console.log(`spladed ${info.version} at ${target} with ${info.bundles[0].name}`);

  const { vectors } = await encoder.Encode({
    texts: [QUESTION],
    options: { kind: 'KIND_QUERY' },
  });
  const [row] = rows(vectors);
  console.log(`encoded: ${row.length} of ${vectors.dimension} terms`);

  await createAnew(COLLECTION);
  const { generation } = await index.Upsert({
    collection: COLLECTION,
    // Metadata is a google.protobuf.Struct, which proto-loader takes in its wire form.
    documents: DOCUMENTS.map((document, position) => ({
      ...document,
      metadata: { fields: { position: { numberValue: position } } },
    })),
  });
  console.log(`upserted: ${DOCUMENTS.length} documents, generation ${generation}`);

  const { results } = await index.Search({
    collection: COLLECTION,
    texts: [QUESTION],
    k: 10,
    projection: { text: true, metadata: true },
    min_generation: generation, // not needed on one server: acknowledged is visible
  });
  const { hits } = results[0];
  for (const { id, score, document } of hits) {
    const { numberValue } = document.metadata.fields.position;
    console.log(`hit: ${score.toFixed(2)} ${id} [${numberValue}] ${document.text}`);
  }

  const { explanations } = await index.Explain({
    collection: COLLECTION,
    text: QUESTION,
    ids: [hits[0].id],
  });
  for (const { word, token, contribution } of explanations[0].terms.slice(0, 3)) {
    console.log(`because: ${word} (${token}) ${contribution.toFixed(2)}`);
  }

  await index.DeleteCollection({ name: COLLECTION });
  await tellsWhy(() => index.Search({ collection: COLLECTION, texts: [QUESTION] }));
  await tellsWhy(() => encoder.Encode({ texts: ['fine', ' '] }));
} catch (error) {
  if (!(error instanceof SpladedError)) throw error;
  console.error(`${[error.status, error.reason].join(' ').trim()}: ${error.message}`);
  process.exitCode = 1;
} finally {
  close();
}

/** Makes the collection, over what an earlier run may have left. */
async function createAnew(name) {
  try {
    await index.CreateCollection({ name });
  } catch (error) {
    if (error.reason !== 'COLLECTION' || error.status !== 'ALREADY_EXISTS') throw error;
    await index.DeleteCollection({ name });
    await index.CreateCollection({ name });
  }
  console.log(`created: ${name}`);
}

/** Shows an error that is expected, by the parts that programs compare. */
async function tellsWhy(call) {
  try {
    await call();
  } catch (error) {
    const where = error.field && ` at ${error.field}`;
    console.log(`refused: ${error.status} ${error.reason}${where}`);
    return;
  }
  throw new Error('the call was to fail and did not');
}
