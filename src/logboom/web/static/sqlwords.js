// Completion of SQL: columns, keywords and functions.

import { Suggestions } from "/static/suggestions.js";

const OWN = ["sequence", "time", "received_at", "source", "sender", "listener", "level", "severity", "message", "entry"];
const KEYWORDS = [
  ..."select,from,logs,where,group by,order by,having,limit,distinct,as,and,or,not,in,between,like,ilike,is null,is not null,asc,desc".split(","),
  ..."case when,then,else,end,join,left join,on,using,union all,with,over (partition by,interval,filter (where,true,false,null".split(","),
  ..."count(*),count(,sum(,avg(,min(,max(,median(,quantile_cont(,stddev(,first(,last(,arg_max(,round(,coalesce(,cast(,try_cast(".split(","),
  ..."date_trunc(,time_bucket(,strftime(,epoch(,now(),lower(,length(,regexp_matches(,regexp_extract(,json_extract_string(,lag(,row_number()".split(","),
];
const WORD = /(?:^|[^\p{L}\p{N}_."'])("?)([\p{L}_][\p{L}\p{N}_.]*)$/u;
const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;

/** A column's name as SQL has it. */
export const quoted = (name) => (PLAIN_NAME.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

export class SqlWords extends Suggestions {
  /** @param {() => Promise<string[]>} fields is called until it gives names of fields. */
  constructor(input, fields) {
    super(input);
    this.fields = fields;
  }

  /** The names of all columns. */
  async columns() {
    const found = await (this.known ??= this.fields());
    if (!found.length) this.known = null;
    return [...new Set([...OWN, ...found])];
  }

  async find(before) {
    if (before.replace(/"[^"]*"/g, "").split("'").length % 2 === 0) return null; // inside a text
    const word = WORD.exec(before);
    if (!word) return null;
    const [, quote, part] = word;
    const columns = (await this.columns()).map((name) => ({ text: name, written: quoted(name) }));
    const keywords = quote ? [] : KEYWORDS.map((text) => ({ text, written: text }));
    const options = [...columns, ...keywords].filter(({ text }) => text.toLowerCase() !== part.toLowerCase());
    return { part, from: before.length - part.length - quote.length, options };
  }

  take({ written, from }) {
    const end = this.input.selectionStart;
    this.input.setRangeText(written, from, end, "end");
    this.hide();
  }
}
