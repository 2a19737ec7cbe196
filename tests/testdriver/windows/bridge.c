/* What ssh is on Windows: carries standard input and output to a port of this machine. Usage: bridge PORT */
#include <winsock2.h>
#include <windows.h>
#include <stdlib.h>

static SOCKET place;

static DWORD WINAPI there(void *unused)
{
    char data[4096];
    DWORD got;

    (void)unused;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), data, sizeof(data), &got, NULL) && got)
        if (send(place, data, (int)got, 0) != (int)got) break;
    shutdown(place, SD_SEND);
    return 0;
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = {0};
    WSADATA startup;
    char data[4096];
    DWORD done;
    int got;

    if (count != 2 || WSAStartup(MAKEWORD(2, 2), &startup)) return 1;
    place = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(place, (struct sockaddr *)&address, sizeof(address))) return 2;
    if (!CreateThread(NULL, 0, there, NULL, 0, NULL)) return 3;
    while ((got = recv(place, data, sizeof(data), 0)) > 0)
        if (!WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), data, (DWORD)got, &done, NULL)) break;
    ExitProcess(0);
}
