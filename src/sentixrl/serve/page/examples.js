// Three conversations of our own, to try with.

export const EXAMPLES = {
  English: `Agent: Good morning, you're through to Petra. What can I do for you?
Caller: The boiler you fitted on Monday has been dripping since Tuesday.
Agent: Oh no. Is the water near the socket?
Caller: It's in the socket. My son was going to plug in his lamp.
Agent: Please keep him away from it. I'm sending somebody now, not tomorrow.
Caller: That's what they said on Wednesday. Nobody rang, nobody came.
Agent: Then we let you down twice, and I'm sorry. I have Emil on the other line: he is ten minutes away.
Caller: Ten minutes? Truly?
Agent: He's starting the van. I'll stay on until he knocks.
Caller: Thank you. You're the first one who listened.`,
  Español: `Abuela Rosa: ¿Quién trae el postre el domingo?
Tío Beto: Yo no, que la última vez dijisteis que sabía a jabón.
Lucía: ¡Es que sabía a jabón! Todavía me río.
Abuela Rosa: Pues a mí me gustó.
Lucía: Abuela, te lo comiste por no herirlo.
Tío Beto: Ya está bien. Este año no voy.
Lucía: Beto, era una broma. No te enfades.
Abuela Rosa: Hijo, sin ti no hay domingo. Tu padre te habría guardado la silla.
Tío Beto: ...
Tío Beto: Llevo helado. Comprado. Sin jabón.
Lucía: ¡Ese es mi tío!`,
  العربية: `سلمى: وصلت الرسالة من المستشفى.
كريم: لا تفتحيها وحدك. أنا في الطريق.
سلمى: يداي ترتجفان منذ الصباح.
كريم: مهما كان فيها، سنكون معًا.
سلمى: فتحتها.
كريم: وماذا تقول؟ تكلّمي أرجوك!
سلمى: سليمة. كل الفحوص سليمة يا كريم!
كريم: الحمد لله! اتصلي بأمي الآن، لم تنم منذ يومين.`,
};
