/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What test_code.c checks function by function. */

/*
 * A function, and what is said of it: "(gap) " if it is not complete, then its calls, then
 * "stores" and what it may keep elsewhere. A call is "jump" if it is a tail jump; where it leads,
 * relative to the function, or [the pointer it goes through], or ?; its six arguments: the number
 * of an incoming one, with s or z behind it if it was sign- or zero-extended, L for an address in
 * the frame, a dot for all else; "gets" and what it may get. +8000 and +9000 are outside.
 */
struct code_case {
	const char *what;
	const char *hex;
	const char *want;
};

static const struct code_case x86_cases[] = {
	{
		/* sub rsp,8; call out; add rsp,8; ret */
		"what came in is passed on",
		"4883ec08e8f77f00004883c408c3",
		"+8000 123456 gets 123456",
	},
	{
		/* mov r8,rcx; xor ecx,ecx; jmp out */
		"a tail jump",
		"4989c831c9e9f67f0000",
		"jump +8000 123.46 gets 12346",
	},
	{
		/* jmp [rip+0x100] */
		"a jump to a stub's pointer",
		"ff2500010000",
		"jump [+106] 123456 gets 123456",
	},
	{
		/* sub rsp,24; movsxd rdx,edx; mov rcx,rsp; call out; add rsp,24; ret */
		"sign-extended; the frame's address",
		"4883ec184863d24889e1e8f17f00004883c418c3",
		"+8000 123sL56 gets 12356",
	},
	{
		/* sub rsp,8; mov edx,edx; movsxd rcx,edx; mov r8d,ecx; call out; add rsp,8; ret */
		"zero-extended",
		"4883ec0889d24863ca4189c8e8ef7f00004883c408c3",
		"+8000 123z3s3z6 gets 1236",
	},
	{
		/*
		 * push rbx; mov rbx,rdi; push rbp; mov rbp,rsi; call out; mov rdi,rbx; mov
		 * rsi,rbp; call out2; pop rbp; pop rbx; ret
		 */
		"kept over a call",
		"534889fb554889f5e8f37f00004889df4889eee8e88f00005d5bc3",
		"+8000 123456 gets 123456, +9000 12.... gets 123456",
	},
	{
		/* sub rsp,8; call out; call out2; add rsp,8; ret */
		"lost by a call",
		"4883ec08e8f77f0000e8f28f00004883c408c3",
		"+8000 123456 gets 123456, +9000 ...... gets 123456",
	},
	{
		/*
		 * sub rsp,24; mov [rsp+8],rsi; call out; mov rsi,[rsp+8]; xor edx,edx; call out2;
		 * add rsp,24; ret
		 */
		"kept in the frame over a call",
		"4883ec184889742408e8f27f0000488b74240831d2e8e68f00004883c418c3",
		"+8000 123456 gets 123456, +9000 .2.... gets 2",
	},
	{
		/*
		 * sub rsp,24; mov [rsp+8],rsi; mov rdi,rsp; xor edx,edx; call out; mov
		 * rsi,[rsp+8]; xor edx,edx; call out2; add rsp,24; ret
		 */
		"the callee may change the frame",
		"4883ec1848897424084889e731d2e8ed7f0000488b74240831d2e8e18f00004883c418c3",
		"+8000 L2.456 gets 2456, +9000 ...... gets 2456",
	},
	{
		/*
		 * mov [rsp-16],rsi; sub rsp,8; call out; mov rsi,[rsp-8]; xor edx,edx; call out2;
		 * add rsp,8; ret
		 */
		"what is below the stack pointer is the callee's",
		"48897424f04883ec08e8f27f0000488b7424f831d2e8e68f00004883c408c3",
		"+8000 123456 gets 123456, +9000 ...... gets -",
	},
	{
		/* mov [rsp-16],rsi; mov rdi,[rsp-16]; sub rsp,8; call out; add rsp,8; ret */
		"the red zone holds",
		"48897424f0488b7c24f04883ec08e8ed7f00004883c408c3",
		"+8000 223456 gets 23456",
	},
	{
		/* mov [rsp-136],rsi; mov rdi,[rsp-136]; sub rsp,8; call out; add rsp,8; ret */
		"but not below it",
		"4889b42478ffffff488bbc2478ffffff4883ec08e8e77f00004883c408c3",
		"+8000 .23456 gets 23456",
	},
	{
		/*
		 * sub rsp,8; mov [rsp],edx; mov edi,[rsp]; movsxd rsi,dword ptr [rsp]; mov
		 * rcx,[rsp]; call out; add rsp,8; ret
		 */
		"half a word",
		"4883ec088914248b3c2448633424488b0c24e8e97f00004883c408c3",
		"+8000 3z3s3.56 gets 356",
	},
	{
		/*
		 * sub rsp,8; mov [rsp],rdx; mov edi,[rsp]; mov ecx,[rsp+4]; call out; add rsp,8;
		 * ret
		 */
		"half of a whole word",
		"4883ec08488914248b3c248b4c2404e8ec7f00004883c408c3",
		"+8000 3z23.56 gets 2356",
	},
	{
		/*
		 * sub rsp,8; mov [rsp],rsi; mov byte ptr [rsp+1],0; mov rdi,[rsp]; call out; add
		 * rsp,8; ret
		 */
		"a word that is partly overwritten",
		"4883ec0848893424c644240100488b3c24e8ea7f00004883c408c3",
		"+8000 .23456 gets 23456",
	},
	{
		/* sub rsp,8; test edx,edx; js 1f; nop; 1: call out; add rsp,8; ret */
		"paths that agree",
		"4883ec0885d2780190e8f27f00004883c408c3",
		"+8000 123456 gets 123456",
	},
	{
		/* sub rsp,8; test edx,edx; js 1f; mov rsi,rcx; 1: call out; add rsp,8; ret */
		"paths that do not",
		"4883ec0885d278034889cee8f07f00004883c408c3",
		"+8000 1.3456 gets 123456",
	},
	{
		/*
		 * sub rsp,8; test edx,edx; js 1f; mov [rsp],rsi; 1: mov rdi,[rsp]; xor esi,esi;
		 * call out; add rsp,8; ret
		 */
		"frames that do not agree",
		"4883ec0885d2780448893424488b3c2431f6e8e97f00004883c408c3",
		"+8000 ..3456 gets 23456",
	},
	{
		/* sub rsp,8; test edx,edx; js 1f; mov rsi,rsp; 1: call out; add rsp,8; ret */
		"the frame or an argument",
		"4883ec0885d278034889e6e8f07f00004883c408c3",
		"+8000 1.3456 gets 123456",
	},
	{
		/* sub rsp,8; 1: lea rsi,[rsi+1]; dec edx; jnz 1b; call out; add rsp,8; ret */
		"a loop",
		"4883ec08488d7601ffca75f8e8ef7f00004883c408c3",
		"+8000 1..456 gets 123456",
	},
	{
		/*
		 * push rbp; mov rbp,rsp; sub rsp,16; mov [rbp-8],rsi; mov rdi,[rbp-8]; call out;
		 * leave; ret
		 */
		"a frame pointer",
		"554889e54883ec10488975f8488b7df8e8eb7f0000c9c3",
		"+8000 223456 gets 23456",
	},
	{
		/*
		 * push rbp; mov rbp,rsp; and rsp,-32; mov [rsp],rsi; mov rdi,[rsp]; mov
		 * rsi,[rbp-8]; xor edx,edx; xor ecx,ecx; xor r8d,r8d; xor r9d,r9d; call out;
		 * leave; ret
		 */
		"an aligned frame",
		"554889e54883e4e048893424488b3c24488b75f831d231c94531c04531c9e8dd7f0000c9c3",
		"+8000 ...... gets 2, stores 2",
	},
	{
		/*
		 * push rsi; pop rdi; push 1; push [rsi]; pop rcx; pop rax; sub rsp,8; call out;
		 * add rsp,8; ret
		 */
		"push and pop",
		"565f6a01ff3659584883ec08e8ef7f00004883c408c3",
		"+8000 223.56 gets 2356",
	},
	{
		/* push rsp; pop rsi; sub rsp,8; call out; add rsp,8; ret */
		"push of the stack pointer",
		"545e4883ec08e8f57f00004883c408c3",
		"+8000 1L3456 gets 13456",
	},
	{
		/* xchg rdi,rsi; sub rsp,8; call out; add rsp,8; ret */
		"an exchange",
		"4887fe4883ec08e8f47f00004883c408c3",
		"+8000 ..3456 gets 123456",
	},
	{
		/* lea rsi,[rsi+rdx]; add rdx,1; sub rcx,r8; sub rsp,8; call out; add rsp,8; ret */
		"arithmetic",
		"488d34164883c2014c29c14883ec08e8ec7f00004883c408c3",
		"+8000 1...56 gets 123456",
	},
	{
		/* mov si,dx; movzx ecx,r8b; sub rsp,8; call out; add rsp,8; ret */
		"a short move",
		"6689d6410fb6c84883ec08e8f07f00004883c408c3",
		"+8000 1.3.56 gets 123456",
	},
	{
		/* cmovs esi,edx; sub rsp,8; call out; add rsp,8; ret */
		"a conditional move",
		"0f48f24883ec08e8f47f00004883c408c3",
		"+8000 1.3456 gets 123456",
	},
	{
		/* sub rsp,8; call [rax+8]; add rsp,8; ret */
		"a call through a pointer",
		"4883ec08ff50084883c408c3",
		"? 123456 gets 123456",
	},
	{
		/* sub rsp,8; call [rip+0x100]; add rsp,8; ret */
		"a call through a constant pointer",
		"4883ec08ff15000100004883c408c3",
		"[+10a] 123456 gets 123456",
	},
	{
		/* jmp rax */
		"a jump through a pointer",
		"ffe0",
		"(a jump goes through a pointer) jump ? 123456 gets 123456",
	},
	{
		/* sub rsp,8; jmp [rax*8+0x1000] */
		"a switch",
		"4883ec08ff24c500100000",
		"(a jump goes through a pointer) jump ? 123456 gets 123456",
	},
	{
		/* sub rsp,8 */
		"no end",
		"4883ec08",
		"(control runs out of the function)",
	},
	{
		/* sub rsp,8; call out */
		"a call at the end does not return",
		"4883ec08e8f77f0000",
		"+8000 123456 gets 123456",
	},
	{
		/* xor edi,edi; ud2 */
		"a trap",
		"31ff0f0b",
		"",
	},
	{
		/* push rbx; ret */
		"a return that finds no address",
		"53c3",
		"(a return does not find its address)",
	},
	{
		/* xor edi,edi; .byte 0x06 */
		"an unknown instruction",
		"31ff06",
		"(an instruction is not understood)",
	},
	{
		/* mov eax,[edi]; ret */
		"32-bit addresses",
		"678b07c3",
		"(an instruction is not understood)",
	},
	{
		/* sub rsp,8; jmp out */
		"a jump to nowhere",
		"4883ec08e9f77f0000",
		"(control goes where no code is)",
	},
	{
		/*
		 * mov [rdi+8],rsi; sub rsp,8; xor esi,esi; mov rdx,[rdi+16]; call out; add rsp,8;
		 * ret
		 */
		"kept in memory",
		"488977084883ec0831f6488b5710e8ed7f00004883c408c3",
		"+8000 1..456 gets 12456, stores 2",
	},
	{
		/* test edx,edx; js 1f; mov [rdi],rsi; 1: mov rdx,[rdi+8]; xor esi,esi; jmp out */
		"kept in memory on one path",
		"85d27803488937488b570831f6e9ee7f0000",
		"jump +8000 1..456 gets 12456, stores 2",
	},
	{
		/* mov fs:[rsp-8],rsi; mov rdi,[rsp-8]; xor esi,esi; jmp out */
		"another segment",
		"6448897424f8488b7c24f831f6e9ee7f0000",
		"jump +8000 ..3456 gets 3456, stores 2",
	},
	{
		/* mov fs:[0x10],rsi; ret */
		"kept in memory by a thread",
		"644889342510000000c3",
		"stores 2",
	},
	{
		/*
		 * movq xmm0,rsi; sub rsp,24; movups [rsp],xmm0; mov rdx,[rsp]; xor esi,esi; call
		 * out; add rsp,24; ret
		 */
		"through a vector",
		"66480f6ec64883ec180f110424488b142431f6e8e87f00004883c418c3",
		"+8000 1..456 gets 12456",
	},
	{
		/*
		 * sub rsp,72; mov [rsp+8],rsi; mov r8,rdi; mov rdi,rsp; xor eax,eax; mov ecx,8;
		 * rep stosq; mov rsi,[rsp+8]; call out; add rsp,72; ret
		 */
		"a frame that is filled by a loop",
		"4883ec4848897424084989f84889e731c0b908000000f348ab488b742408e8dd7f00004883c448c3",
		"+8000 ..3.16 gets 1236",
	},
	{
		/*
		 * sub rsp,72; mov [rsp+8],rsi; mov dword ptr [rsp+rax*4],0; mov rdi,[rsp+8]; xor
		 * esi,esi; call out; add rsp,72; ret
		 */
		"an unknown place in the frame",
		"4883ec484889742408c7048400000000488b7c240831f6e8e47f00004883c448c3",
		"+8000 ..3456 gets 23456",
	},
	{
		/*
		 * sub rsp,24; mov [rsp+8],rsi; lea rdi,[rsp+8]; xor esi,esi; call out; add rsp,24;
		 * ret
		 */
		"behind a pointer",
		"4883ec184889742408488d7c240831f6e8eb7f00004883c418c3",
		"+8000 L.3456 gets 23456",
	},
	{
		/* endbr64; mov rax,rdi; mov rdi,rax; jmp out */
		"a branch mark",
		"f30f1efa4889f84889c7e9f17f0000",
		"jump +8000 123456 gets 123456",
	},
	{
		/* 1: loop 1b; jmp out */
		"loop instructions",
		"e2fee9f97f0000",
		"jump +8000 123.56 gets 123456",
	},
	{
		/* mov rax,rdi; lock cmpxchg [rsp-8],rcx; mov rdi,rax; jmp out */
		"compare and exchange",
		"4889f8f0480fb14c24f84889c7e9ee7f0000",
		"jump +8000 .23456 gets 123456",
	},
	{
		/* mulx rdi,rsi,rcx; xadd rdx,r8; jmp out */
		"many results",
		"c4e2cbf6f94c0fc1c2e9f27f0000",
		"jump +8000 ...4.6 gets 123456",
	},
	{
		/* xsavec [rsp]; ret */
		"more is written than the operand says",
		"0fc72424c3",
		"(an instruction is not understood)",
	},
	{
		/* fnsave [rsp]; ret */
		"the same of the x87 unit",
		"dd3424c3",
		"(an instruction is not understood)",
	},
	{
		/* bts [rsp],rax; ret */
		"a bit far from the operand",
		"480fab0424c3",
		"(an instruction is not understood)",
	},
	{
		/* bts rax,rdx; mov rsi,rax; jmp out */
		"a bit of a register",
		"480fabd04889c6e9f47f0000",
		"jump +8000 1.3456 gets 13456",
	},
	{
		/* pushfq; pop rax; ret */
		"flags on the stack",
		"9c58c3",
		"(an instruction is not understood)",
	},
	{
		/* syscall; jmp out */
		"a system call",
		"0f05e9f97f0000",
		"jump +8000 123.56 gets 12356",
	},
};

static const struct code_case arm64_cases[] = {
	{
		/* stp x29,x30,[sp,-16]!; mov x29,sp; bl out; ldp x29,x30,[sp],16; ret */
		"what came in is passed on",
		"fd7bbfa9fd030091fe1f0094fd7bc1a8c0035fd6",
		"+8000 123456 gets 123456",
	},
	{
		/* bti c; mov x4,x3; mov x3,0; b out */
		"a tail jump",
		"5f2403d5e40303aa030080d2fd1f0014",
		"jump +8000 123.46 gets 12346",
	},
	{
		/*
		 * sub sp,sp,32; stp x29,x30,[sp,16]; add x29,sp,16; sxtw x2,w2; mov x3,sp; bl out;
		 * ldp x29,x30,[sp,16]; add sp,sp,32; ret
		 */
		"sign-extended; the frame's address",
		"ff8300d1fd7b01a9fd430091427c4093e3030091fb1f0094fd7b41a9ff830091c0035fd6",
		"+8000 123sL56 gets 12356",
	},
	{
		/* mov w2,w2; uxtw x3,w2; b out */
		"zero-extended",
		"e203022a437c40d3fe1f0014",
		"jump +8000 123z3z56 gets 12356",
	},
	{
		/*
		 * stp x29,x30,[sp,-32]!; stp x19,x20,[sp,16]; mov x19,x0; mov x20,x1; bl out; mov
		 * x0,x19; mov x1,x20; bl out2; ldp x19,x20,[sp,16]; ldp x29,x30,[sp],32; ret
		 */
		"kept over a call",
		"fd7bbea9f35301a9f30300aaf40301aafc1f0094e00313aae10314aaf9230094f35341a9fd7bc2a8"
		"c0035fd6",
		"+8000 123456 gets 123456, +9000 12.... gets 12",
	},
	{
		/* str x30,[sp,-16]!; bl out; bl out2; ldr x30,[sp],16; ret */
		"lost by a call",
		"fe0f1ff8ff1f0094fe230094fe0741f8c0035fd6",
		"+8000 123456 gets 123456, +9000 ...... gets 123456",
	},
	{
		/*
		 * sub sp,sp,32; str x1,[sp,24]; bl out; ldr x1,[sp,24]; mov x0,0; bl out2; add
		 * sp,sp,32; ret
		 */
		"kept in the frame over a call",
		"ff8300d1e10f00f9fe1f0094e10f40f9000080d2fb230094ff830091c0035fd6",
		"+8000 123456 gets 123456, +9000 .2.... gets 2",
	},
	{
		/* sub sp,sp,32; stp x1,x2,[sp,8]; ldp x2,x1,[sp,8]; bl out; add sp,sp,32; ret */
		"a pair in the frame",
		"ff8300d1e18b00a9e28740a9fd1f0094ff830091c0035fd6",
		"+8000 132456 gets 123456",
	},
	{
		/*
		 * sub sp,sp,32; str x1,[sp,8]; mov x0,sp; bl out; ldr x1,[sp,8]; mov x0,0; bl
		 * out2; add sp,sp,32; ret
		 */
		"the callee may change the frame",
		"ff8300d1e10700f9e0030091fd1f0094e10740f9000080d2fa230094ff830091c0035fd6",
		"+8000 L23456 gets 23456, +9000 ...... gets 23456",
	},
	{
		/* stur x1,[sp,-16]; ldur x0,[sp,-16]; b out */
		"no red zone",
		"e1031ff8e0035ff8fe1f0014",
		"jump +8000 .23456 gets 23456",
	},
	{
		/*
		 * sub sp,sp,16; str w2,[sp]; ldr w0,[sp]; ldrsw x1,[sp]; ldr x3,[sp]; bl out; add
		 * sp,sp,16; ret
		 */
		"half a word",
		"ff4300d1e20300b9e00340b9e10380b9e30340f9fb1f0094ff430091c0035fd6",
		"+8000 3z3s3.56 gets 356",
	},
	{
		/*
		 * sub sp,sp,32; mov x9,sp; str x1,[x9],8; ldr x0,[sp]; str x2,[x9,8]!; ldr
		 * x3,[sp,16]; bl out; add sp,sp,32; ret
		 */
		"indexed after the access",
		"ff8300d1e9030091218500f8e00340f9228d00f8e30b40f9fa1f0094ff830091c0035fd6",
		"+8000 223356 gets 2356",
	},
	{
		/*
		 * sub sp,sp,16; str x1,[sp]; strb wzr,[sp,1]; ldr x0,[sp]; ldrb w2,[x3]; bl out;
		 * add sp,sp,16; ret
		 */
		"bytes",
		"ff4300d1e10300f9ff070039e00340f962004039fb1f0094ff430091c0035fd6",
		"+8000 .2.456 gets 2456",
	},
	{
		/* tbnz w2,31,1f; nop; 1: b out */
		"paths that agree",
		"4200f8371f2003d5fe1f0014",
		"jump +8000 123456 gets 123456",
	},
	{
		/* cbz x2,1f; mov x1,x3; 1: b out */
		"paths that do not",
		"420000b4e10303aafe1f0014",
		"jump +8000 1.3456 gets 123456",
	},
	{
		/* cmp w2,0; b.lt 1f; mov x1,x3; 1: b out */
		"conditions",
		"5f0000714b000054e10303aafd1f0014",
		"jump +8000 1.3456 gets 123456",
	},
	{
		/* cmp w2,0; csel x1,x3,xzr,ge; b out */
		"a selection",
		"5f00007161a09f9afe1f0014",
		"jump +8000 1.3456 gets 13456",
	},
	{
		/* add x1,x1,x2; add x2,x2,1; sub x3,x3,x4; eor x4,x4,x5; madd x5,x5,x0,x1; b out */
		"arithmetic",
		"2100028b42040091630004cb840005caa504009bfb1f0014",
		"jump +8000 1..... gets 123456",
	},
	{
		/* movz x0,5; movk x1,5,lsl 16; adr x2,start; and x3,x3,7; lsl x4,x4,3; b out */
		"immediate",
		"a00080d2a100a0f2c2ffff106308409284f07dd3fb1f0014",
		"jump +8000 .....6 gets 2456",
	},
	{
		/* str x30,[sp,-16]!; blr x8; ldr x30,[sp],16; ret */
		"a call through a pointer",
		"fe0f1ff800013fd6fe0741f8c0035fd6",
		"? 123456 gets 123456",
	},
	{
		/* br x16 */
		"a jump through a pointer",
		"00021fd6",
		"(a jump goes through a pointer) jump ? 123456 gets 123456",
	},
	{
		/* sub sp,sp,16 */
		"no end",
		"ff4300d1",
		"(control runs out of the function)",
	},
	{
		/* sub sp,sp,16; bl out */
		"a call at the end does not return",
		"ff4300d1ff1f0094",
		"+8000 123456 gets 123456",
	},
	{
		/* brk 1 */
		"a trap",
		"200020d4",
		"",
	},
	{
		/* sub sp,sp,16; ret */
		"a return that finds no frame",
		"ff4300d1c0035fd6",
		"(a return does not find its address)",
	},
	{
		/* ptrue p0.b; ret */
		"scalable vectors",
		"e0e31825c0035fd6",
		"(an instruction is not understood)",
	},
	{
		/* udf 0 */
		"nothing",
		"00000000",
		"(an instruction is not understood)",
	},
	{
		/* str x1,[x0,8]; mov x1,0; ldr x2,[x0,16]; b out */
		"kept in memory",
		"010400f9010080d2020840f9fd1f0014",
		"jump +8000 1..456 gets 12456, stores 2",
	},
	{
		/* swp x1,x2,[x0]; b out */
		"kept by an atomic access",
		"028021f8ff1f0014",
		"jump +8000 1..456 gets 123456, stores 23",
	},
	{
		/*
		 * sub sp,sp,32; fmov d3,x1; str q3,[sp]; ldr x2,[sp]; mov x1,0; bl out; add
		 * sp,sp,32; ret
		 */
		"through a vector",
		"ff8300d12300679ee303803de20340f9010080d2fb1f0094ff830091c0035fd6",
		"+8000 1...56 gets 1256",
	},
	{
		/*
		 * sub sp,sp,32; str x1,[sp]; movi v0.2d,0; stp q0,q0,[sp]; ldr x1,[sp]; bl out;
		 * add sp,sp,32; ret
		 */
		"a frame that is filled by vectors",
		"ff8300d1e10300f900e4006fe00300ade10340f9fb1f0094ff830091c0035fd6",
		"+8000 1.3456 gets 13456",
	},
	{
		/* fmov d0,x1; ldr d1,[x2]; fmov x3,d0; mov x1,0; mov x0,0; b out */
		"another vector",
		"2000679e410040fd0300669e010080d2000080d2fb1f0014",
		"jump +8000 ..3.56 gets 2356",
	},
	{
		/* b.al 1f; udf 0; 1: b out */
		"a condition that always holds",
		"4e00005400000000fe1f0014",
		"jump +8000 123456 gets 123456",
	},
	{
		/* umov x2,v0.d[0]; b out */
		"out of a vector",
		"023c084eff1f0014",
		"jump +8000 12.456 gets 12456",
	},
	{
		/*
		 * sub sp,sp,64; str x1,[sp,8]; mov x9,sp; str wzr,[x9,x8]; ldr x0,[sp,8]; mov
		 * x1,0; bl out; add sp,sp,64; ret
		 */
		"an unknown place in the frame",
		"ff0301d1e10700f9e90300913f6928b8e00740f9010080d2fa1f0094ff030191c0035fd6",
		"+8000 ..3456 gets 23456",
	},
	{
		/* mov x7,x1; mov x1,0; b out */
		"seventh and eighth arguments count as passed on",
		"e70301aa010080d2fe1f0014",
		"jump +8000 1.3456 gets 123456",
	},
	{
		/* paciasp; stp x29,x30,[sp,-16]!; bl out; ldp x29,x30,[sp],16; retaa */
		"signed return addresses",
		"3f2303d5fd7bbfa9fe1f0094fd7bc1a8ff0b5fd6",
		"+8000 123456 gets 123456",
	},
	{
		/* svc 0; b out */
		"a system call",
		"010000d4ff1f0014",
		"jump +8000 .23456 gets 23456",
	},
	{
		/* prfm pldl1keep,[x0]; dmb ish; mrs x1,tpidr_el0; ldr x2,start; b out */
		"prefetches and barriers",
		"000080f9bf3b03d541d03bd5a2ffff58fc1f0014",
		"jump +8000 1..456 gets 1456",
	},
	{
		/* ldar x1,[x0]; b out */
		"ordered accesses",
		"01fcdfc8ff1f0014",
		"jump +8000 1.3456 gets 123456, stores 2",
	},
};
