// The format of the Markdown files: `npx prettier --check '**/*.md'`.

import markdown from "prettier/plugins/markdown";

const { mdast } = markdown.printers;

// Prettier would pad every table cell to the width of the widest, which gives lines of more than 400
// columns in docs/configuration.md. This prints tables as they are.
const verbatimTables = {
  parsers: markdown.parsers,
  printers: {
    mdast: {
      ...mdast,
      print(path, options, ...rest) {
        const { type, position } = path.node;
        if (type !== "table") return mdast.print(path, options, ...rest);
        return options.originalText.slice(position.start.offset, position.end.offset);
      },
    },
  },
};

export default {
  plugins: [verbatimTables],
  printWidth: 100,
  proseWrap: "always",
  embeddedLanguageFormatting: "off",
};
