# A client's own copy: the documented schema, with the file id of deployed clients.
@0xfc867d59c4f2e15c;

struct LoggerMsg {
  timestamp @0 :Text;
  hostname @1 :Text;
  loggerName @2 :Text;
  module @3 :Text;
  level @4 :Level;
  filename @5 :Text;
  functionName @6 :Text;
  lineNumber @7 :Text;
  message @8 :Text;
  pathName @9 :Text;
  processId @10 :Text;
  processName @11 :Text;
  threadId @12 :Text;
  threadName @13 :Text;
  serviceName @14 :Text;
  stackTrace @15 :Text;
}

enum Level {
  notset @0;
  debug @1;
  stream @2;
  info @3;
  logon @4;
  logout @5;
  trade @6;
  schedule @7;
  report @8;
  warning @9;
  error @10;
  critical @11;
  # a newer client's
  audit @12;
}

struct HelloMsg {
  fromName @0 :Text;
  fromHost @1 :Text;
  fromAddress @2 :Text;
  toAddress @3 :Text;
  fromPublicIP @4 :Text;
}
