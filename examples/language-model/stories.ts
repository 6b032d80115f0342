/**
 * Little stories from a grammar, as many as one likes: what the model learns to tell. Who is in a story, where it
 * plays and what is sung in it has a name that no other story has, and that is repeated: to tell
 * such a story well, the model has to look back.
 */
import { randomUniform } from '../../lib/cli/hashing.js';
import { type Draw, inventName, inventSong, pick } from './names.js';

/** A symbol in braces stands for one of its lines, drawn anew every time. */
const grammar: Readonly<Record<string, readonly string[]>> = {
  story: [
    '{beginning} {wish}\n\n{journey} {meeting} {talk}\n\n{ending}',
    '{beginning} {habit}\n\n{meeting} {talk}\n\n{trouble} {answer} {ending}',
    '{beginning} {singing}\n\n{meeting} {together}\n\n{trouble} {answer} {ending}',
    '{beginning} {wish}\n\n{meeting} {together} {journey2}\n\n{trouble} {answer}',
  ],
  beginning: [
    'Once there was a {trait} {kind} called {Hero}. {She} lived in {Place}, {where}.',
    'In {Place}, {where}, lived a {kind} whose name was {Hero}. {Hero} was {trait} and {mood}.',
    '{Hero} the {kind} lived in {Place}, {where}. Nobody in {Place} was as {trait} as {Hero}.',
    'Long ago, when {Place} was still young, a {trait} {kind} came to live there {where}. {She} was called {Hero}.',
  ],
  habit: [
    'Every morning {Hero} {chore}, and every evening {she} {chore}.',
    'On most days {she} {chore}. Only when it {weather} {Hero} stayed at home and {chore}.',
    'When the sun rose over {Place}, {Hero} {chore}.',
    '"I have {chore2} all day," {Hero} used to say, "and now I want to {rest}."',
  ],
  chore: [
    'swept the {spot}',
    'baked bread',
    'carried water from the well',
    'counted the stars',
    'fed the hens',
    'mended nets',
    'picked berries',
    'read old letters',
    'watched the clouds',
    'wound up the clock',
  ],
  chore2: ['swept', 'baked', 'dug', 'carried stones', 'chopped wood', 'worked'],
  rest: ['sleep', 'sing', 'drink tea', 'look at the moon', 'hear a story'],
  wish: [
    'But more than anything {she} wanted to find the {thing} of {Treasure}.',
    'One day {Hero} heard of the {thing} of {Treasure}. "I must see it," said {Hero}.',
    'At night {she} dreamed of the {thing} of {Treasure}, which nobody in {Place} had ever seen.',
    '"Somewhere beyond {Place} lies the {thing} of {Treasure}," said {her} {elder}, and {Hero} believed it.',
  ],
  singing: [
    'And all day long {Hero} sang: "{song}, {song}!"',
    '{Hero} knew only one song. It went "{song}, {song}", and everybody in {Place} sang it with {her2}.',
  ],
  journey: [
    'So {Hero} left {Place} and walked {way}, {way} and {way}.',
    '{Hero} packed {food} and {food}, and walked {way} until {Place} was out of sight.',
    'For three days it {weather}, and {Hero} walked {way} and thought of {Place}.',
  ],
  journey2: [
    'They walked {way} and {way}. "How far is it to {Treasure}?" asked {Friend}. "Far," said {Hero}.',
    'So {Hero} and {Friend} walked {way} and {way}.',
    'Then {Friend} went home to {Home}, {way} and {way}, and {Hero} went with {Friend}.',
  ],
  way: [
    'over the hills',
    'through the forest',
    'along the river',
    'across the fields',
    'down the valley',
    'past the mill',
    'around the lake',
  ],
  meeting: [
    'By the {spot} sat a {trait} {kind2}. "Who are you?" asked {Hero}. "I am {Friend}," said the {kind2}.',
    'There {Hero} met {Friend}, a {kind2} from {Home}. {Friend} was {mood} and carried {food}.',
    'Behind the {spot} {Hero} found a {kind2} who was {mood}. "My name is {Friend}," said the {kind2}, "and I come from {Home}."',
    'One day a {kind2} knocked at the door. It was {Friend}, who had lost the way to {Home}.',
  ],
  talk: [
    '"Are you {mood}, {Friend}?" asked {Hero}. "I am {mood}," said {Friend}, "and I miss {Home}."',
    '"In {Home} we sing {song}," said {Friend}. "{song}?" asked {Hero}. "Yes," said {Friend}, "{song}."',
    '{Hero} gave {Friend} {food}, and {Friend} gave {Hero} {food}.',
    '"Have you seen {Treasure}?" asked {Hero}. "Not {Treasure}," said {Friend}, "but I have seen {Foe}."',
    '"Teach me a song, {Friend}," said {Hero}. So {Friend} sang: "{song}." And {Hero} sang: "{song}."',
  ],
  together: [
    'From that day on {Hero} and {Friend} were friends.',
    '"Come with me, {Friend}," said {Hero}, and {Friend} came.',
    'So {Friend} went along with {Hero}, and they shared {food}.',
    '{Hero} liked {Friend}, and {Friend} liked {Hero}.',
  ],
  trouble: [
    'But at the {spot} stood {Foe} the {monster}. "Nobody passes {Foe}," said {Foe}.',
    'Then the ground shook, and out of the {spot} came {Foe}, the {monster} of {Treasure}.',
    'That night it {weather}, and {Foe} the {monster} came to the {spot}. "{Hero}!" cried {Friend}. "{Foe} is here!"',
    'In the {spot} slept a {monster}, and the {monster} was {Foe}. "Do not wake {Foe}," said {Friend}.',
  ],
  answer: [
    'But {Hero} was not afraid and sang: "{song}, {song}!" And {Foe} grew small and ran away.',
    '"{song}," sang {Friend}. "{song}," sang {Hero}. And {Foe} the {monster} fell asleep.',
    '{Hero} gave {Foe} {food}. "Nobody ever gave {Foe} {food}," said {Foe}, and was {mood}.',
    '"What is your song, {Foe}?" asked {Hero}. And {Foe} sang: "{song}, {song}." Then all three of them sang: "{song}."',
    '"{Foe}," said {Hero}, "I am {Hero} of {Place}, and this is {Friend} of {Home}." And {Foe} let them pass.',
  ],
  ending: [
    'When {Hero} came back to {Place}, everybody was {mood}, and {Friend} stayed in {Place} for ever.',
    'And if you come to {Place} today, you can hear {Hero} and {Friend} sing: "{song}."',
    'Since then {Hero} and {Friend} have lived in {Home}, and at night they tell of {Foe} and of {Place}.',
    'So {Hero} found the {thing} of {Treasure}, and gave it to {Friend}, and was {mood}.',
    '"Good night, {Friend}," said {Hero}. "Good night, {Hero}," said {Friend}. And {Place} was quiet.',
  ],
  where: [
    'behind the {spot}',
    'between two hills',
    'by the river',
    'near the sea',
    'under a {trait} tree',
    'where the road ends',
  ],
  spot: ['barn', 'bridge', 'cave', 'garden', 'gate', 'mill', 'mountain', 'tower', 'wall', 'well', 'wood'],
  weather: ['rained', 'snowed', 'stormed', 'was cold', 'was dark', 'was foggy'],
  food: ['an apple', 'bread', 'cheese', 'a cake', 'honey', 'nuts', 'a pear', 'soup', 'a pot of jam'],
  trait: [
    'big',
    'brave',
    'clever',
    'curious',
    'gentle',
    'little',
    'old',
    'proud',
    'quiet',
    'red',
    'tall',
    'young',
  ],
  mood: ['glad', 'happy', 'hungry', 'lonely', 'merry', 'sad', 'sleepy', 'tired', 'very cold', 'very hungry'],
  kind: ['badger', 'cat', 'crow', 'donkey', 'fox', 'frog', 'goose', 'hare', 'hen', 'mole', 'mouse', 'toad'],
  kind2: ['bear', 'beaver', 'deer', 'dog', 'goat', 'hedgehog', 'lamb', 'pony', 'rabbit', 'robin', 'sparrow'],
  monster: ['dragon', 'ghost', 'giant', 'troll', 'witch', 'wolf'],
  thing: ['bell', 'book', 'crown', 'drum', 'key', 'lamp', 'mirror', 'ring', 'stone'],
  elder: ['aunt', 'father', 'grandmother', 'mother', 'uncle'],
};

const inventions: Readonly<Record<string, (draw: Draw) => string>> = {
  Hero: inventName,
  Friend: inventName,
  Foe: inventName,
  Place: inventName,
  Home: inventName,
  Treasure: inventName,
  song: inventSong,
};

/** What stays the same throughout a story. */
const lasting: ReadonlySet<string> = new Set([
  ...Object.keys(inventions),
  'kind',
  'kind2',
  'monster',
  'thing',
]);

const pronouns = [
  { She: 'She', she: 'she', her: 'her', her2: 'her' },
  { She: 'He', she: 'he', her: 'his', her2: 'him' },
] as const;

function tellStory(draw: Draw): string {
  const settled = new Map<string, string>(Object.entries(pick(draw, pronouns)));
  const expand = (symbol: string): string => {
    const known = settled.get(symbol);
    if (known !== undefined) return known;
    const invent = inventions[symbol];
    const text = invent
      ? invent(draw)
      : pick(draw, grammar[symbol]).replace(/\{(\w+)\}/g, (_, inner: string) => expand(inner));
    if (lasting.has(symbol)) settled.set(symbol, text);
    return text;
  };
  return expand('story');
}

/** Stories without end; the same ones for the same seed. */
export function* stories(seed: string): Generator<string, never> {
  const draw = randomUniform(seed);
  for (;;) yield tellStory(draw);
}
