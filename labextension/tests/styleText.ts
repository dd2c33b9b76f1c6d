/** Stands in for style sheets that the bundler takes in as texts. */
export default '.orc-task {}';
