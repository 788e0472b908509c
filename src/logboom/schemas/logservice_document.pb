
ÿ
logservice_document.proto"ù

LogRequest
	timestamp (	R	timestamp
hostname (	Rhostname
logger_name (	R
loggerName
level (Rlevel
filename (	Rfilename#
function_name (	RfunctionName
line_number (	R
lineNumber
message (	Rmessage"'
LogResponse
success (Rsuccess25

LogService'

LogMessage.LogRequest.LogResponsebproto3