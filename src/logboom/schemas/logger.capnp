# The message of the capnp listener (docs/contracts/capnp.md). Frames on the wire: u32 big-endian length, then this, packed.
# docs/how-to/capnp.md tells how to generate clients in other languages.
@0xfc867d59c4f2e15c;

struct LoggerMsg @0xd8c4553d6f87c52b {
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

# The number is explicit because the one that the compiler would derive for this name is LoggerMsg's.
enum Level @0xe1d3a5c7b9f20461 {
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
}

# What newer clients introduce themselves with: the first frame of a connection, not packed.
struct HelloMsg {
  fromName @0 :Text;
  fromHost @1 :Text;
  fromAddress @2 :Text;
  toAddress @3 :Text;
  fromPublicIP @4 :Text;
}
